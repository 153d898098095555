"""What each GPU holds of a model that is divided, copied or drafted for, counted by hand."""

from dataclasses import replace
from typing import Any

import pytest

from common.models.facts import ModelFacts
from common.plan.decide import Plan, decide
from common.plan.devices import Device, named_device
from common.plan.errors import Refused
from common.plan.inputs import PlanInputs
from common.plan.options import LoadOptions
from common.speculative import parse_speculative
from services._backends import load
from tests.conftest import BACKENDS
from tests.models.configs import LLAMA_3_8B, facts, family
from tests.plan.questions import CPU, TABLES, plan, refusal

GIB = 2**30
LLAMA_8B = facts(LLAMA_3_8B, "meta-llama/Meta-Llama-3-8B")
SMALL_LLAMA = facts(
    LLAMA_3_8B
    | {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "tie_word_embeddings": True,
    },
    "meta-llama/Llama-3.2-1B",
)
MIXTRAL = facts(
    {
        "model_type": "mixtral",
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "max_position_embeddings": 4096,
        "torch_dtype": "bfloat16",
    },
    "mistralai/Mixtral-8x7B",
)
WITH_MTP = facts(family("deepseek_v3") | {"num_nextn_predict_layers": 1}, "small-deepseek")
WEIGHTS = 16_060_522_496
"""Bytes of Llama 3 8B: 32 layers of 218,103,808 numbers in matrices and 8,192 in norms, embedding
and output matrix of 525,336,576 each, and a norm of 4,096, of 2 bytes each."""
KV = 131_072
"""Bytes of a token: 32 layers x keys and values x 8 heads x 128 numbers x 2 bytes."""
PARALLEL = (
    *("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "expert_parallel"),
    *("speculative", "kv_offload"),
)


def drafted(draft: ModelFacts | None, speculative: str, backend: str = "vllm") -> Plan:
    options = LoadOptions(speculative=parse_speculative(speculative))
    device = named_device("a100-80gb")
    return decide(PlanInputs(LLAMA_8B, TABLES[backend], device, options, draft=draft))


@pytest.mark.parametrize("backend", ["vllm", "ray_serve", "sglang", "tensorrt_llm"])
def test_a_stage_holds_its_layers_and_the_embedding(backend: str) -> None:
    two = plan(backend, LLAMA_8B, pipeline_parallel_size=2)
    norms = 2 * (16 * 8192 + 4096)
    assert two.device_weight_bytes == 2 * (16 * 218_103_808 + 525_336_576) + norms
    assert two.kv_bytes_per_token == KV // 2
    assert (two.gpus, two.device, two.weight_bytes) == (2, "2 x a100-80gb", WEIGHTS)
    assert "on each of 2 (at most: each of 2 stages has a part of the layers)" in two.reason


def test_stages_that_differ_are_counted_as_the_larger_one() -> None:
    three = plan("vllm", LLAMA_8B, pipeline_parallel_size=3)
    assert three.kv_bytes_per_token == KV * 11 // 32
    assert three.device_weight_bytes == pytest.approx(
        2 * (11 * 218_103_808 + 525_336_576 + 11 * 8192 + 4096), abs=2
    )


def test_layers_and_stages_are_divided_together() -> None:
    four = plan("vllm", LLAMA_8B, tensor_parallel_size=2, pipeline_parallel_size=2)
    assert four.gpus == 4
    assert four.kv_bytes_per_token == KV // 4
    assert four.device_weight_bytes == (16 * 218_103_808 + 525_336_576) + 2 * (16 * 8192 + 4096)


def test_each_copy_has_all_weights_and_a_cache_of_its_own() -> None:
    one, two = plan("vllm", LLAMA_8B), plan("vllm", LLAMA_8B, data_parallel_size=2)
    assert (two.gpus, two.device_weight_bytes, two.weight_bytes) == (2, WEIGHTS, WEIGHTS)
    assert one.kv_tokens is not None
    assert one.sequences is not None
    assert two.kv_bytes == one.kv_bytes
    assert (two.kv_tokens, two.sequences) == (2 * one.kv_tokens, 2 * one.sequences)
    assert two.reason.endswith("and so in each of 2 copies")


def test_copies_of_vllm_share_one_set_of_experts_and_sglangs_do_not() -> None:
    sizes: dict[str, Any] = {
        "tensor_parallel_size": 2,
        "data_parallel_size": 2,
        "expert_parallel": True,
    }
    # Attention, embedding and output matrix in two parts; routers and norms are whole.
    rest = (32 * 41_943_040 + 262_144_000) + 2 * 32 * 32_768 + 2 * (32 * 8192 + 4096)
    experts = 2 * 32 * 1_409_286_144
    vllm, sglang = plan("vllm", MIXTRAL, **sizes), plan("sglang", MIXTRAL, **sizes)
    assert vllm.device_weight_bytes == pytest.approx(rest + experts // 4, abs=4)
    assert sglang.device_weight_bytes == pytest.approx(rest + experts // 2, abs=4)
    assert "(each with whole experts of the 8)" in vllm.reason


def test_a_draft_model_takes_weights_and_cache_beside_the_model() -> None:
    found = drafted(SMALL_LLAMA, "draft:meta-llama/Llama-3.2-1B:4")
    assert found.device_weight_bytes == WEIGHTS + 2_471_628_800
    assert found.kv_bytes_per_token == KV + 16 * 2 * 8 * 64 * 2
    assert "2.3 GiB of them in meta-llama/Llama-3.2-1B to draft tokens, fit" in found.reason


def test_every_drafted_token_has_logits_to_check() -> None:
    found = drafted(None, "ngram:4")
    assert (found.device_weight_bytes, found.kv_bytes_per_token) == (WEIGHTS, KV)
    activations = 8192 * (2 * 4096 + 2 * 14336) * 2
    assert "; logits for 4 drafted tokens of each answer are aside" in found.reason
    assert found.overhead_bytes == GIB + activations + 256 * 5 * 128_256 * 4


def test_layers_that_predict_further_tokens_are_counted() -> None:
    plain = plan("vllm", WITH_MTP)
    found = plan("vllm", WITH_MTP, speculative=parse_speculative("mtp:1"))
    assert plain.device_weight_bytes is not None
    # Attention 48,720, experts with router 147,972 and norms 256; and the matrix of 2 x 128 x 128.
    assert found.device_weight_bytes == plain.device_weight_bytes + 2 * (196_948 + 32_768)
    assert (plain.kv_bytes_per_token, found.kv_bytes_per_token) == (4 * 48 * 2, 5 * 48 * 2)


def test_what_leaves_the_cache_takes_the_machines_memory() -> None:
    machine = replace(named_device("a100-80gb"), count=1, host_memory=64 * GIB)
    found = plan("vllm", LLAMA_8B, machine, kv_offload=16)
    assert found.host_bytes == 16 * GIB
    assert "16 GiB of the machine's memory for what leaves that cache" in found.reason
    message = refusal("vllm", LLAMA_8B, machine, kv_offload=100)
    assert "kv_offload is 100 GiB, and this machine has 64.0 GiB of memory" in message
    assert "there is no GPU here" in refusal("vllm", LLAMA_8B, CPU, kv_offload=1)


def test_on_a_cpu_all_processes_share_one_memory() -> None:
    small = facts(LLAMA_3_8B | {"num_hidden_layers": 4}, "small")
    machine = Device("cpu", "cpu", 16 * GIB, count=1)
    assert plan("vllm", small, machine, data_parallel_size=2).gpus == 0
    message = refusal("vllm", small, machine, data_parallel_size=4)
    assert "does not fit" in message


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        (LLAMA_8B, {"pipeline_parallel_size": 33}, "has 32 layers; allowed is at most that"),
        (LLAMA_8B, {"expert_parallel": True}, "for a model with experts, and"),
        (MIXTRAL, {"expert_parallel": True}, "no effect on one GPU"),
        (LLAMA_8B, {"speculative": parse_speculative("mtp:1")}, "num_nextn_predict_layers"),
    ],
)
def test_what_the_model_lacks_is_refused(
    model: ModelFacts, options: dict[str, Any], expected: str
) -> None:
    assert expected in refusal("vllm", model, **options)


def test_a_draft_model_with_another_vocabulary_is_refused() -> None:
    with pytest.raises(Refused, match=r"vocabulary of 32000 tokens and meta-llama.* one of 128256"):
        drafted(MIXTRAL, "draft:mistralai/Mixtral-8x7B:4")


def test_the_product_of_the_sizes_is_held_against_the_gpus_here() -> None:
    here = replace(named_device("a100-80gb"), count=4)
    sizes = {"tensor_parallel_size": 2, "pipeline_parallel_size": 2, "data_parallel_size": 2}
    message = refusal("vllm", LLAMA_8B, here, **sizes)
    assert "is 2 x 2 x 2 = 8, and there is 4 x a100-80gb here; allowed is at most 4" in message


@pytest.mark.parametrize("backend", sorted(TABLES))
def test_a_plan_refuses_what_the_engine_refuses(backend: str) -> None:
    engine = load(backend)[1]
    declared = {n for n in engine.unsupported_settings if n.partition("=")[0] in PARALLEL}
    assert set(TABLES[backend].refuses) == declared


def test_lmdeploy_copies_with_one_of_its_engines_and_drafts_with_the_other() -> None:
    copies: dict[str, Any] = {"data_parallel_size": 2}
    drafts: dict[str, Any] = {"speculative": parse_speculative("mtp:1")}
    pytorch: dict[str, Any] = {"engine_args": {"backend": "pytorch"}}
    assert plan("lmdeploy", LLAMA_8B, **copies).gpus == 2
    assert '{"backend": "turbomind"}' in refusal("lmdeploy", LLAMA_8B, **copies, **pytorch)
    assert plan("lmdeploy", WITH_MTP, **drafts, **pytorch).gpus == 1
    assert '{"backend": "pytorch"}' in refusal("lmdeploy", WITH_MTP, **drafts)


def test_every_engine_without_a_table_refuses_all_of_them() -> None:
    for backend in set(BACKENDS) - TABLES.keys():
        assert set(PARALLEL) <= load(backend)[1].unsupported_settings.keys()


def test_more_gpus_are_offered_by_their_whole_number() -> None:
    message = refusal(
        "vllm", facts(LLAMA_3_8B), "l4", data_parallel_size=2, quantization="none", dtype="float32"
    )
    assert "tensor_parallel_size=2 on 4 of them would fit" in message


def test_adapters_are_counted_and_named() -> None:
    """Of Llama 3 8B each layer has matrices of 4096 x 4096, 1024 and 14336, twice to thrice."""
    sides = 2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336)
    plain, adapted = plan("vllm", LLAMA_8B), plan("vllm", LLAMA_8B, adapter_slots=3)
    assert adapted.overhead_bytes is not None
    assert plain.overhead_bytes is not None
    assert adapted.overhead_bytes - plain.overhead_bytes == 3 * 16 * 32 * sides * 2
    assert "0.2 GiB for 3 adapters are aside" in adapted.reason
    larger = plan("vllm", LLAMA_8B, adapter_slots=3, max_adapter_rank=64)
    assert larger.overhead_bytes is not None
    assert larger.overhead_bytes - plain.overhead_bytes == 3 * 64 * 32 * sides * 2
