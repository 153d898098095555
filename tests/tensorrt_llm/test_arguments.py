"""What TensorRT-LLM is constructed with, and what is refused before."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import InvalidValue, StartError
from common.models.adapters import Adapter
from common.settings import Settings
from services._compiled.tensorrt_engine import check_engine_dir
from services._tensorrt_llm.adapters import ADAPTER_TARGETS, check_targets, lora_config
from services._tensorrt_llm.arguments import kv_cache_tokens, llm_arguments, llm_class
from services.tensorrt_llm import TensorRTLLMEngine
from tests.tensorrt_llm.support import compiled_engine, demo_model, running_engine

LLAMA_8B = {
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
}


def arguments(engine_dir: Path | None = None, **values: Any) -> dict[str, Any]:
    settings = Settings(**values)
    engine = None if engine_dir is None else check_engine_dir(engine_dir)
    return llm_arguments(settings, demo_model(settings), engine)


def test_the_defaults_serve_well() -> None:
    values = arguments()
    cache = values.pop("kv_cache_config")
    assert (cache.enable_block_reuse, cache.free_gpu_memory_fraction) == (True, 0.9)
    assert cache.max_tokens is None
    path = values["model"]
    assert values == {
        "model": path,
        "tokenizer": path,
        "skip_tokenizer_init": False,
        "guided_decoding_backend": "xgrammar",
        "trust_remote_code": False,
        "tensor_parallel_size": 1,
        "pipeline_parallel_size": 1,
        "dtype": "auto",
        "max_seq_len": 4096,
        "max_batch_size": 256,
        "enable_chunked_prefill": True,
        "sampler_type": "TRTLLMSampler",
    }


def test_settings_arrive_in_the_engines_own_terms() -> None:
    values = arguments(
        max_model_len=64,
        max_concurrency=3,
        dtype="float16",
        prefix_caching=False,
        gpu_memory_utilization=0.5,
        tensor_parallel_size=2,
        trust_remote_code=True,
    )
    assert (values["max_seq_len"], values["max_batch_size"], values["dtype"]) == (64, 3, "float16")
    assert (values["tensor_parallel_size"], values["trust_remote_code"]) == (2, True)
    cache = values["kv_cache_config"]
    assert (cache.enable_block_reuse, cache.free_gpu_memory_fraction) == (False, 0.5)


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ("ngram:4", "NGramDecodingConfig", {"max_draft_len": 4}),
        (
            "draft:/small:4",
            "DraftTargetDecodingConfig",
            {"max_draft_len": 4, "speculative_model_dir": "/small"},
        ),
        (
            "eagle3:/head:3",
            "EagleDecodingConfig",
            {"max_draft_len": 3, "speculative_model_dir": "/head"},
        ),
        ("mtp:2", "MTPDecodingConfig", {"num_nextn_predict_layers": 2}),
    ],
)
def test_drafts_are_asked_for_in_the_engines_own_terms(
    text: str, kind: str, fields: dict[str, Any]
) -> None:
    values = arguments(speculative=text)
    config = values["speculative_config"]
    assert (type(config).__name__, config.model_dump()) == (kind, fields)
    assert values["sampler_type"] == "auto"
    assert values.get("disable_overlap_scheduler", False) is text.startswith(("ngram", "draft"))


def test_stages_experts_and_host_memory_have_arguments_of_their_own() -> None:
    values = arguments(
        tensor_parallel_size=2, pipeline_parallel_size=2, expert_parallel=True, kv_offload=8
    )
    assert values["pipeline_parallel_size"] == values["moe_expert_parallel_size"] == 2
    assert values["kv_cache_config"].host_cache_size == 2 * 2**30


def test_room_is_made_for_the_modules_that_the_adapters_change() -> None:
    settings = Settings(adapters="mine=/mine", max_adapter_rank=8)
    mine = Adapter("mine", Path("/mine"), 1, 4, frozenset({"q_proj", "down_proj"}))
    config = lora_config(settings, replace(demo_model(Settings()), adapters=(mine,)))
    assert config.lora_target_modules == ["attn_q", "attn_k", "attn_v", "mlp_4h_to_h"]
    assert (config.max_lora_rank, config.max_loras, config.max_cpu_loras) == (8, 1, 1)


def test_room_is_made_for_all_modules_where_clients_load_adapters() -> None:
    config = arguments(adapter_loading="/adapters", max_adapters=3)["lora_config"]
    assert config.lora_target_modules == list(ADAPTER_TARGETS.values())
    assert config.max_loras == 3


def test_adapters_are_no_engine_argument() -> None:
    with pytest.raises(StartError, match="use the settings 'adapters' and 'adapter_loading'"):
        llm_class(Settings(engine_args={"enable_lora": True}))


def test_an_adapter_of_experts_is_refused_by_name() -> None:
    adapter = Adapter("mine", Path("/mine"), 1, 4, frozenset({"q_proj", "w1"}))
    with pytest.raises(InvalidValue, match="'mine' changes w1; TensorRT-LLM takes adapters of q_"):
        check_targets(adapter)


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"engine_args": {"kv_cache_config": {"host_cache_size": 1}}}, "kv_offload"),
        ({"engine_args": {"speculative_config": {"decoding_type": "NGram"}}}, "speculative"),
        (
            {"speculative": "mtp:1", "engine_args": {"speculative_config": {"max_draft_len": 3}}},
            "speculative",
        ),
    ],
)
def test_what_a_setting_says_is_no_engine_argument(values: dict[str, Any], setting: str) -> None:
    with pytest.raises(StartError, match=f"use the setting '{setting}'"):
        TensorRTLLMEngine.check(Settings(**values))


def test_without_chunked_prefill_the_longest_prompt_fits_one_forward_pass() -> None:
    assert "max_num_tokens" not in arguments()
    values = arguments(chunked_prefill=False)
    assert (values["enable_chunked_prefill"], values["max_num_tokens"]) == (False, 8192)


def test_engine_args_win_and_those_of_the_cache_are_merged() -> None:
    args = {"max_batch_size": 5, "kv_cache_config": {"dtype": "fp8"}}
    values = arguments(engine_args=args, prefix_caching=False)
    assert values["max_batch_size"] == 5
    cache = values["kv_cache_config"]
    assert (cache.dtype, cache.enable_block_reuse) == ("fp8", False)


def test_without_structured_output_no_tokenizer_is_loaded() -> None:
    values = arguments(engine_args={"guided_decoding_backend": None})
    assert values["skip_tokenizer_init"] is True


def test_a_size_of_the_kv_cache_becomes_its_tokens() -> None:
    assert kv_cache_tokens(1, LLAMA_8B, 2, 1) == 2**30 // (2 * 32 * 8 * 128 * 2)
    assert kv_cache_tokens(1, LLAMA_8B, 2, 4) == 4 * kv_cache_tokens(1, LLAMA_8B, 2, 1)
    assert arguments(kv_cache_gib=1)["kv_cache_config"].max_tokens == 2**30 // (2 * 4 * 2 * 64 * 2)
    doubled = arguments(kv_cache_gib=1, dtype="float32")["kv_cache_config"].max_tokens
    assert doubled == 2**30 // (2 * 4 * 2 * 64 * 4)


@pytest.mark.parametrize("name", ["kv_lora_rank", "full_attention_interval"])
def test_a_cache_of_another_kind_has_to_be_given_in_tokens(name: str) -> None:
    with pytest.raises(StartError, match="max_tokens"):
        kv_cache_tokens(1, {**LLAMA_8B, name: 4}, 2, 1)


def test_a_compiled_engine_keeps_its_own_lengths(tmp_path: Path) -> None:
    values = arguments(compiled_engine(tmp_path), max_concurrency=100)
    values.pop("kv_cache_config")
    assert values["model"] == str(tmp_path)
    assert values["tokenizer"] != values["model"]
    assert values["max_batch_size"] == 64
    assert not {"dtype", "max_seq_len", "sampler_type"} & set(values)


def test_an_engine_without_paged_attention_neither_chunks_nor_reuses(tmp_path: Path) -> None:
    values = arguments(compiled_engine(tmp_path, plugin_config={}))
    assert values["enable_chunked_prefill"] is False
    assert values["kv_cache_config"].enable_block_reuse is False


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"sampler_typ": "auto"}, "did you mean 'sampler_type'"),
        ({"sampler_type": "Fast"}, "sampler_type: Input should be"),
        ({"kv_cache_config": 5}, "kv_cache_config is 5; allowed is an object"),
        ({"kv_cache_config": {"fraction": 1}}, "fraction: Extra inputs are not permitted"),
        ({"model": "/nowhere"}, "/nowhere has no weights"),
    ],
)
async def test_what_the_engine_refuses_is_one_line(args: dict[str, Any], reason: str) -> None:
    with pytest.raises(StartError, match=reason) as refused:
        async with running_engine(engine_args=args):
            pass
    assert "\n" not in str(refused.value)


def test_a_seed_of_the_engine_needs_the_sampler_that_has_one() -> None:
    TensorRTLLMEngine.check(Settings(seed=5))
    with pytest.raises(StartError, match="TRTLLMSampler"):
        TensorRTLLMEngine.check(Settings(seed=5, engine_args={"sampler_type": "TorchSampler"}))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"dtype": "float16"}, "'dtype': it was fixed"),
        ({"tensor_parallel_size": 2}, "'tensor_parallel_size'"),
        ({"max_concurrency": 500}, "'max_concurrency'"),
        ({"pipeline_parallel_size": 2}, "'pipeline_parallel_size': it was fixed.* allowed is 1"),
        ({"speculative": "ngram:4"}, "'speculative': it was fixed"),
        ({"quantization": "awq"}, "'quantization': 'awq', but the engine in .* has 'none'"),
        ({"kv_cache_dtype": "fp8"}, "'kv_cache_dtype': it was fixed"),
        ({"adapters": "mine=/mine"}, "'adapters': it was fixed.* allowed is {}"),
        ({"adapter_loading": "/mine"}, "'adapter_loading': it was fixed"),
    ],
)
def test_a_compiled_engine_refuses_what_was_compiled_in(
    tmp_path: Path, values: dict[str, Any], reason: str
) -> None:
    with pytest.raises(StartError, match=reason):
        TensorRTLLMEngine.check(Settings(engine_dir=str(compiled_engine(tmp_path)), **values))


def gaps(**values: Any) -> set[str]:
    settings = Settings(**values)
    return set(TensorRTLLMEngine(settings, demo_model(settings)).gaps())


def test_gaps_follow_from_the_sampler() -> None:
    of_cpp = {"logprobs", "top_logprobs"}
    of_torch = of_cpp | {
        "repetition_penalty",
        "presence_penalty",
        "frequency_penalty",
        "min_p",
        "min_tokens",
        "seed",
    }
    assert gaps() == of_cpp
    assert gaps(engine_args={"sampler_type": "TorchSampler"}) == of_torch
    assert gaps(engine_args={"sampler_type": "auto"}) == of_torch
    assert gaps(engine_args={"speculative_config": {"decoding_type": "Medusa"}}) == of_torch
    assert gaps(speculative="ngram:4") == of_torch
    assert gaps(engine_dir="somewhere", engine_args={"sampler_type": "auto"}) == of_cpp
    assert gaps(engine_args={"guided_decoding_backend": None}) == of_cpp | {"response_format"}


def test_a_model_with_several_ends_cannot_be_kept_from_ending() -> None:
    settings = Settings()
    model = demo_model(settings)
    model.generation_config["eos_token_id"] = [2, 5]
    assert "min_tokens" in TensorRTLLMEngine(settings, model).gaps()
