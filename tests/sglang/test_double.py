"""SGLang's double takes the parameters of the contract, no more and no fewer, and its ranges."""

import ast
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.sglang.sglang.srt.sampling.sampling_params import SamplingParams
from tests.service_process import REPOSITORY, interpreter, with_double

CONTRACT = Path(__file__).parents[1] / "doubles" / "contracts" / "sglang.json"
OBJECTS: dict[str, dict[str, Any]] = json.loads(CONTRACT.read_text("utf-8"))["objects"]
LISTED = """
import importlib, inspect, json, sys

def parameters(path):
    module, _, name = path.partition(":")
    value = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    if hasattr(value, "__struct_fields__"):
        return [[name, "KEYWORD_ONLY", None] for name in value.__struct_fields__]
    return [
        [p.name, p.kind.name, None if p.default is p.empty else repr(p.default)]
        for p in inspect.signature(value).parameters.values()
        if p.name != "self"
    ]

print(json.dumps({path: parameters(path) for path in sys.argv[1:]}))
"""
REFUSED: list[dict[str, Any]] = [
    {"temperature": -0.1},
    {"temperature": float("inf")},
    {"top_p": 0},
    {"top_p": 1.1},
    {"top_k": 0},
    {"top_k": -2},
    {"min_p": 1.1},
    {"repetition_penalty": 0},
    {"repetition_penalty": 2.1},
    {"presence_penalty": 2.1},
    {"frequency_penalty": -2.1},
    {"min_new_tokens": 129},
    {"max_new_tokens": -1},
    {"logit_bias": {"768": 1}},
    {"sampling_seed": 1.5},
    {"json_schema": "{}", "regex": "a"},
]


@pytest.fixture(scope="module")
def listed() -> dict[str, list[list[str | None]]]:
    """In a process of its own: importing the engine changes the process."""
    done = subprocess.run(
        [interpreter("sglang"), "-c", LISTED, *OBJECTS],
        cwd=REPOSITORY,
        env=with_double(dict(os.environ), "sglang"),
        capture_output=True,
        check=True,
    )
    found: dict[str, list[list[str | None]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("path", OBJECTS)
def test_parameters_are_those_of_the_contract(
    path: str, listed: dict[str, list[list[str | None]]]
) -> None:
    expected = OBJECTS[path].get("parameters") or OBJECTS[path].get("fields") or []
    assert [name for name, _, _ in listed[path]] == [field["name"] for field in expected]
    for (_, kind, default), field in zip(listed[path], expected, strict=True):
        assert kind is not None
        if "kind" in field:
            assert kind.lower() == field["kind"]
        if default is not None and is_literal(field["default"]):
            assert ast.literal_eval(default) == ast.literal_eval(field["default"])


def is_literal(source: str) -> bool:
    try:
        ast.literal_eval(source)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("given", REFUSED, ids=str)
def test_a_value_out_of_range_is_refused(given: dict[str, Any]) -> None:
    params = SamplingParams(**given)
    params.normalize(tokenizer=object())
    with pytest.raises(ValueError, match=next(iter(given)).replace("json_schema", "one grammar")):
        params.verify(vocab_size=768)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(TypeError):
        SamplingParams(max_tokens=5)  # type: ignore[call-arg]


@pytest.mark.parametrize("given", [{"stop": "a"}, {"min_new_tokens": 1}])
def test_text_and_least_lengths_need_a_tokenizer(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need a tokenizer"):
        SamplingParams(**given).normalize(None)
