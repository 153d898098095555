"""What fits where, against published figures, and what is said of what does not."""

from dataclasses import replace

import pytest

from common.plan.choice import BuiltCheckpoint
from common.plan.devices import Device, named_device
from tests.models.configs import AWQ, DEEPSEEK_V3, LLAMA_3_8B, LLAMA_3_70B, facts, family
from tests.plan.questions import CPU, TABLES, plan, refusal

GIB = 2**30
LLAMA_8B = facts(LLAMA_3_8B, "meta-llama/Meta-Llama-3-8B")
LLAMA_70B = facts(LLAMA_3_70B, "meta-llama/Meta-Llama-3-70B")
LLAMA_70B_AWQ = facts(LLAMA_3_70B, "casperhansen/llama-3-70b-instruct-awq", **AWQ)
ON_GPUS = sorted(TABLES)


@pytest.mark.parametrize("backend", ON_GPUS)
def test_llama_3_8b_fits_unquantized_on_an_a100(backend: str) -> None:
    found = plan(backend, LLAMA_8B)
    assert found.weight_bytes == 16_060_522_496
    assert found.kv_bytes_per_token == 128 * 1024
    assert found.kv_tokens is not None
    assert found.kv_tokens > 300_000
    assert found.sequences == found.kv_tokens // 8192
    assert found.memory_bytes is not None
    assert found.memory_bytes <= 80 * GIB


@pytest.mark.parametrize("backend", ["vllm", "ray_serve", "sglang", "lmdeploy", "tgi"])
def test_llama_3_70b_in_awq_fits_on_one_a100(backend: str) -> None:
    found = plan(backend, LLAMA_70B_AWQ)
    assert found.scheme == "awq"
    assert found.weight_bytes is not None
    assert found.weight_bytes / GIB == pytest.approx(37, rel=0.01)
    assert found.kv_tokens is not None
    assert found.kv_tokens > 8192
    # The checkpoint says it.
    assert found.engine_name is None


@pytest.mark.parametrize("backend", ["vllm", "ray_serve", "sglang", "lmdeploy", "tgi"])
def test_70b_in_16_bits_is_refused_there_and_4_bits_are_offered(backend: str) -> None:
    message = refusal(backend, LLAMA_70B)
    assert "its weights take 131.4 GiB unquantized" in message
    assert "AWQ weights would take 37.0 GiB and fit: " in message
    assert message.endswith("python -m build_scripts.awq --model meta-llama/Meta-Llama-3-70B")


def test_an_engine_with_4_bits_of_its_own_takes_them() -> None:
    found = plan("mlc", LLAMA_70B)
    assert (found.scheme, found.engine_name) == ("q4f16_1", "q4f16_1")
    assert found.build == (
        "python -m build_scripts.mlc --model meta-llama/Meta-Llama-3-70B --quantization q4f16_1"
    )
    assert plan("tensorrt_llm", LLAMA_70B).scheme == "int4_awq"
    assert plan("triton", LLAMA_70B).scheme == "int4_awq"
    assert plan("mlc", LLAMA_8B).scheme == "none"


def test_an_awq_checkpoint_that_was_built_from_the_model_is_taken() -> None:
    built = BuiltCheckpoint("llama-awq:abc", "/store/llama-awq/abc", LLAMA_70B_AWQ)
    found = plan("vllm", LLAMA_70B, checkpoints=lambda scheme: [built] if scheme == "awq" else [])
    assert (found.artifact, found.checkpoint) == ("llama-awq:abc", "/store/llama-awq/abc")
    assert (found.scheme, found.engine_name) == ("awq", None)
    assert "the checkpoint llama-awq:abc built from this model" in found.reason
    # Not where plain weights fit.
    assert plan("vllm", LLAMA_8B, checkpoints=lambda scheme: [built]).artifact is None


def test_a_checkpoint_that_the_engine_cannot_load_is_not_taken() -> None:
    gemv = facts(LLAMA_3_70B, **AWQ | {"version": "gemv"})
    built = BuiltCheckpoint("odd:1", "/store/odd/1", gemv)
    message = refusal("vllm", LLAMA_70B, checkpoints=lambda scheme: [built])
    assert "python -m build_scripts.awq" in message


def test_where_not_even_4_bits_fit_more_gpus_are_offered() -> None:
    message = refusal("vllm", LLAMA_70B, "l4")
    assert "nor do 37.0 GiB as AWQ; tensor_parallel_size=8" in message
    assert "a larger device, or a smaller model, would fit" in refusal("vllm", LLAMA_70B, CPU)
    assert "tensor_parallel_size=4 on as many of them would fit" in refusal(
        "vllm", LLAMA_70B_AWQ, "l4"
    )


def test_what_is_offered_fits() -> None:
    found = plan("vllm", LLAMA_70B_AWQ, "l4", tensor_parallel_size=4)
    assert found.device == "4 x l4"
    assert found.device_weight_bytes is not None
    assert found.device_weight_bytes / GIB == pytest.approx(37.04 / 4, rel=0.01)
    assert found.kv_bytes_per_token == 80 * 1024
    longer = facts(LLAMA_3_8B | {"max_position_embeddings": 131072}, "long")
    message = refusal("vllm", longer, "l4")
    length = int(message.partition("set max_model_len=")[2].partition(",")[0])
    assert 20_000 < length < 40_000
    assert plan("vllm", longer, "l4", max_model_len=length).sequences == 1
    assert "kv_cache_dtype=fp8 and max_model_len=" in message
    assert refusal("vllm", longer, "l4", max_model_len=length + 16)


def test_a_quantized_cache_is_offered_alone_where_it_is_enough() -> None:
    longer = facts(LLAMA_3_8B | {"max_position_embeddings": 40_000}, "long")
    message = refusal("vllm", longer, "l4")
    assert message.endswith("or kv_cache_dtype=fp8")
    assert plan("vllm", longer, "l4", kv_cache_dtype="fp8").sequences == 1


def test_on_a_cpu_the_cache_has_the_size_that_is_set() -> None:
    long = facts(LLAMA_3_8B | {"num_hidden_layers": 4, "max_position_embeddings": 131072}, "long")
    message = refusal("vllm", long, CPU)
    assert "KV cache of 1.0 GiB holds 65536 tokens and max_model_len is 131072" in message
    assert "set max_model_len=65536, or kv_cache_gib=2" in message
    assert plan("vllm", long, CPU, kv_cache_gib=2).sequences == 1
    assert "does not fit on cpu" in refusal("vllm", long, replace(CPU, memory=3 * GIB))


def test_on_a_cpu_an_engine_that_counts_tokens_has_room_for_the_longest_sequence() -> None:
    long = facts(LLAMA_3_8B | {"num_hidden_layers": 4, "max_position_embeddings": 131072}, "long")
    assert plan("sglang", long, CPU).kv_tokens == 131072
    assert plan("sglang", long, CPU, max_model_len=1024).sequences == 32
    message = refusal("sglang", long, replace(CPU, memory=5 * GIB))
    assert "set max_model_len=" in message
    assert "kv_cache_gib" not in message


def test_a_cache_of_a_set_size_needs_room_beside_the_weights() -> None:
    found = plan("vllm", LLAMA_8B, "l4", kv_cache_gib=3)
    assert found.kv_bytes == 3 * GIB
    assert "does not fit on l4" in refusal("vllm", LLAMA_8B, "l4", kv_cache_gib=10)


def test_engines_share_memory_in_their_own_ways() -> None:
    of_total = plan("vllm", LLAMA_8B, fraction=0.5)
    of_free = plan("lmdeploy", LLAMA_8B, fraction=0.5)
    assert of_total.memory_bytes == 40 * GIB
    assert of_free.overhead_bytes is not None
    assert of_free.kv_bytes == (80 * GIB - 16_060_522_496 - of_free.overhead_bytes) // 2


def test_windows_make_room_where_the_engine_frees_them() -> None:
    values = family("mistral") | {"sliding_window": 128, "max_position_embeddings": 4096}
    frees, keeps = plan("vllm", facts(values)), plan("tgi", facts(values))
    assert frees.sequences is not None
    assert keeps.sequences is not None
    assert frees.sequences > 20 * keeps.sequences


def test_the_fit_is_not_judged_where_memory_is_unknown() -> None:
    found = plan("lmdeploy", LLAMA_70B, Device("this machine", "unknown"))
    assert (found.kv_tokens, found.memory_bytes, found.sequences) == (None, None, None)
    assert "is not known, so the fit is not judged" in found.reason
    offloaded = plan("vllm", LLAMA_70B, engine_args={"cpu_offload_gb": 100})
    assert offloaded.kv_tokens is None


def test_more_gpus_than_there_are_and_heads_that_do_not_divide_are_refused() -> None:
    here = replace(named_device("l4"), count=2)
    message = refusal("vllm", LLAMA_8B, here, tensor_parallel_size=4)
    assert "there is 2 x l4 here; allowed is at most 2" in message
    message = refusal("vllm", LLAMA_8B, tensor_parallel_size=3)
    assert "does not divide the 32 attention heads and 8 key-value heads" in message
    assert message.endswith("allowed are 1, 2, 4, 8, 16, 32")
    assert "allowed is to leave it out" in refusal("transformers", LLAMA_8B, tensor_parallel_size=2)


def test_a_hybrid_model_is_refused_by_name_and_mla_is_understood() -> None:
    hybrid = facts(LLAMA_3_8B | {"full_attention_interval": 4}, "hybrid")
    assert "the cache of a 'llama' model is not keys and values" in refusal("vllm", hybrid)
    values = family("deepseek_v3") | {"max_position_embeddings": 4096}
    latent = plan("vllm", facts(values)).kv_bytes_per_token
    assert latent == 4 * (32 + 16) * 4 // 2
    expanded = plan("tgi", facts(values)).kv_bytes_per_token
    assert expanded is not None
    assert expanded > 6 * latent
    assert DEEPSEEK_V3["kv_lora_rank"] == 512


def test_a_context_longer_than_the_models_is_refused() -> None:
    assert "allowed is at most 8192" in refusal("vllm", LLAMA_8B, max_model_len=9000)
