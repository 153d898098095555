"""Settings become arguments of SGLang's Engine."""

from typing import Any

import pytest

from common.errors import StartError
from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings
from services._backends import load
from services._sglang.arguments import DRAFTS, RESERVED, deterministic, engine_arguments

ALLOWED = {
    *RESERVED, *DRAFTS, "kv_cache_dtype", "max_running_requests", "max_total_tokens", "random_seed",
    "speculative_algorithm", "speculative_eagle_topk", "speculative_ngram_max_bfs_breadth",
}  # fmt: skip
"""Some of SGLang's. That it has all that are given, its starts show."""
CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"dtype": "float16"}, {"dtype": "float16"}),
    ({"quantization": "awq"}, {"quantization": "awq"}),
    ({"quantization": "none"}, {"quantization": None}),
    ({"tensor_parallel_size": 2}, {"tp_size": 2}),
    ({"pipeline_parallel_size": 2, "data_parallel_size": 3}, {"pp_size": 2, "dp_size": 3}),
    ({"tensor_parallel_size": 4, "expert_parallel": True}, {"ep_size": 4}),
    (
        {"kv_offload": 8, "tensor_parallel_size": 2},
        # 8 GiB are 8.59 GB, half of them 4.3.
        {"enable_hierarchical_cache": True, "hicache_size": 5},
    ),
    (
        {"speculative": "ngram:4"},
        {
            "speculative_algorithm": "NGRAM",
            "speculative_num_draft_tokens": 5,
            "speculative_ngram_max_bfs_breadth": 1,
        },
    ),
    (
        {"speculative": "eagle3:/head:3"},
        {
            "speculative_algorithm": "EAGLE3",
            "speculative_draft_model_path": "/head",
            "speculative_num_steps": 3,
            "speculative_eagle_topk": 1,
            "speculative_num_draft_tokens": 4,
        },
    ),
    ({"speculative": "draft:/small:2"}, {"speculative_algorithm": "STANDALONE"}),
    ({"speculative": "mtp:1"}, {"speculative_algorithm": "NEXTN"}),
    ({"engine_args": {"speculative_algorithm": "DFLASH"}}, {"speculative_algorithm": "DFLASH"}),
    ({"gpu_memory_utilization": 0.8}, {"mem_fraction_static": 0.8}),
    ({"prefix_caching": False}, {"disable_radix_cache": True}),
    ({"chunked_prefill": False}, {"chunked_prefill_size": -1}),
    ({"seed": 5}, {"random_seed": 5}),
    ({"trust_remote_code": True}, {"trust_remote_code": True}),
    ({"max_concurrency": 8}, {"max_running_requests": 8}),
    ({"stream_interval": 4}, {"stream_interval": 4}),
    ({"engine_args": {"kv_cache_dtype": "fp8_e5m2"}}, {"kv_cache_dtype": "fp8_e5m2"}),
    ({"seed": 5, "engine_args": {"random_seed": 6}}, {"random_seed": 6}),
]


def arguments(*, on_cpu: bool = False, **settings: Any) -> dict[str, Any]:
    values = Settings(**settings)
    return engine_arguments(values, open_model(values, DEMO_MODEL), ALLOWED, on_cpu=on_cpu)


def test_sglang_chooses_by_itself_what_nobody_chose() -> None:
    given = arguments()
    assert "mem_fraction_static" not in given
    assert "chunked_prefill_size" not in given
    assert given["quantization"] is None


@pytest.mark.parametrize(("settings", "expected"), CHANGES)
def test_a_setting_becomes_its_argument(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    given = arguments(**settings)
    assert {name: given[name] for name in expected} == expected


def test_a_cpu_gets_a_small_cache_unless_the_user_says_otherwise() -> None:
    given = arguments(on_cpu=True, max_concurrency=10_000)
    assert given["max_total_tokens"] >= given["context_length"]
    assert given["max_running_requests"] == 256
    assert "max_total_tokens" not in arguments()
    wanted = {"max_total_tokens": 5000, "max_running_requests": 3}
    assert arguments(on_cpu=True, engine_args=wanted).items() >= wanted.items()


def test_the_context_has_room_for_what_sglang_keeps_back() -> None:
    assert arguments(max_model_len=64)["context_length"] > 64 + 6


@pytest.mark.parametrize(
    ("speculative", "engine_args"),
    [
        (None, {"speculative_algorithm": "NGRAM"}),
        ("ngram:4", {"speculative_num_draft_tokens": 8}),
        ("ngram:4", {"speculative_algorithm": "DFLASH"}),
    ],
)
def test_drafts_are_asked_for_by_the_setting(
    speculative: str | None, engine_args: dict[str, Any]
) -> None:
    with pytest.raises(StartError, match="use the setting 'speculative'"):
        arguments(speculative=speculative, engine_args=engine_args)


@pytest.mark.parametrize("name", [*RESERVED, "model"])
def test_a_reserved_or_unknown_argument_is_refused(name: str) -> None:
    with pytest.raises(StartError, match=f"'{name}'") as refused:
        arguments(engine_args={name: 1})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "gaps"),
    [
        ({}, {"seed"}),
        ({"enable_deterministic_inference": True}, {"min_p"}),
        ({"rl_on_policy_target": "fsdp"}, {"min_p"}),
        ({"grammar_backend": "none"}, {"seed", "response_format", "regex", "grammar"}),
        ({"grammar_backend": "llguidance"}, {"seed", "response_format", "regex", "grammar"}),
        ({"grammar_backend": "xgrammar"}, {"seed"}),
    ],
)
def test_gaps_follow_from_the_arguments(given: dict[str, Any], gaps: set[str]) -> None:
    settings = Settings(engine_args=given)
    engine = load("sglang")[1](settings, open_model(settings, DEMO_MODEL))
    assert set(engine.gaps()) == gaps | {"repetition_penalty"}
    assert deterministic(settings) is ("min_p" in gaps)


def test_penalties_are_a_gap_with_drafted_tokens() -> None:
    settings = Settings(speculative="ngram:2")
    engine = load("sglang")[1](settings, open_model(settings, DEMO_MODEL))
    penalties = {"presence_penalty", "frequency_penalty", "repetition_penalty"}
    assert set(engine.gaps()) == {"seed"} | penalties
