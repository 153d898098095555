"""Settings become arguments of SGLang's Engine."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings
from services._backends import load
from services._sglang.arguments import RESERVED, deterministic, engine_arguments

CONTRACT = Path(__file__).parents[1] / "doubles" / "contracts" / "sglang.json"
FIELDS = json.loads(CONTRACT.read_text("utf-8"))["objects"]["sglang.srt.server_args:ServerArgs"][
    "fields"
]
ALLOWED = [field["name"] for field in FIELDS]
CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"dtype": "float16"}, {"dtype": "float16"}),
    ({"quantization": "awq"}, {"quantization": "awq"}),
    ({"quantization": "none"}, {"quantization": None}),
    ({"tensor_parallel_size": 2}, {"tp_size": 2}),
    ({"gpu_memory_utilization": 0.8}, {"mem_fraction_static": 0.8}),
    ({"prefix_caching": False}, {"disable_radix_cache": True}),
    ({"chunked_prefill": False}, {"chunked_prefill_size": -1}),
    ({"seed": 5}, {"random_seed": 5}),
    ({"trust_remote_code": True}, {"trust_remote_code": True}),
    ({"max_concurrency": 8}, {"max_running_requests": 8}),
    ({"engine_args": {"kv_cache_dtype": "fp8_e5m2"}}, {"kv_cache_dtype": "fp8_e5m2"}),
    ({"seed": 5, "engine_args": {"random_seed": 6}}, {"random_seed": 6}),
]


def arguments(**settings: Any) -> dict[str, Any]:
    values = Settings(**settings)
    return engine_arguments(values, open_model(values, DEMO_MODEL), ALLOWED)


def test_only_arguments_that_sglang_has_are_given() -> None:
    given = arguments(gpu_memory_utilization=0.5, chunked_prefill=False)
    assert set(given) <= set(ALLOWED)
    assert set(RESERVED) <= set(ALLOWED)


def test_sglang_chooses_by_itself_what_nobody_chose() -> None:
    given = arguments()
    assert "mem_fraction_static" not in given
    assert "chunked_prefill_size" not in given
    assert given["quantization"] is None


@pytest.mark.parametrize(("settings", "expected"), CHANGES)
def test_a_setting_becomes_its_argument(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    given = arguments(**settings)
    assert {name: given[name] for name in expected} == expected


def test_the_context_has_room_for_what_sglang_keeps_back() -> None:
    assert arguments(max_model_len=64)["context_length"] > 64 + 6


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
        ({"grammar_backend": "none"}, {"seed", "response_format"}),
        ({"grammar_backend": "llguidance"}, {"seed"}),
    ],
)
def test_gaps_follow_from_the_arguments(given: dict[str, Any], gaps: set[str]) -> None:
    settings = Settings(engine_args=given)
    engine = load("sglang")[1](settings, open_model(settings, DEMO_MODEL))
    assert set(engine.gaps()) == gaps | {"repetition_penalty"}
    assert deterministic(settings) is ("min_p" in gaps)
