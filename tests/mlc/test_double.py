"""The double of MLC-LLM takes what MLC-LLM's source says it takes."""

import ast
import dataclasses
import importlib
import inspect
import json
from typing import Any

import pytest
from pydantic import BaseModel

from tests.service_process import REPOSITORY

CONTRACT = json.loads(
    (REPOSITORY / "tests" / "doubles" / "contracts" / "mlc_llm.json").read_text("utf-8")
)["objects"]
DOUBLED = [
    "mlc_llm.protocol.debug_protocol:DebugConfig",
    "mlc_llm.protocol.generation_config:GenerationConfig",
    "mlc_llm.protocol.openai_api_protocol:RequestResponseFormat",
    "mlc_llm.serve.config:EngineConfig",
    "mlc_llm.serve.data:RequestStreamOutput",
    "mlc_llm.serve.data:SingleRequestStreamOutput",
    "mlc_llm.serve.data:TokenData",
    "mlc_llm.serve.engine:AsyncMLCEngine",
    "mlc_llm.serve.engine:AsyncMLCEngine.abort",
    "mlc_llm.serve.engine_base:AsyncRequestStream",
    "mlc_llm.serve.engine_base:EngineState",
    "mlc_llm.serve.engine_base:MLCEngineBase",
    "mlc_llm.serve.engine_base:MLCEngineBase.terminate",
]
NOT_DOUBLED = {"metrics", "record_event"}
"""Of MLC-LLM's methods: they give no tokens."""
NO_DEFAULT = object()


def the_double(name: str) -> Any:
    module, _, path = name.partition(":")
    found = importlib.import_module(f"tests.doubles.mlc.{module}")
    for part in path.split("."):
        found = getattr(found, part)
    return found


def default(entry: dict[str, Any]) -> object:
    """The value of a default that the contract has as an expression."""
    source = entry.get("default")
    if source is None:
        return NO_DEFAULT
    if source == "field(default_factory=list)":
        return []
    expression = ast.parse(source, mode="eval").body
    if isinstance(expression, ast.Call):
        named = {keyword.arg: keyword.value for keyword in expression.keywords}
        return ast.literal_eval(named["default"])
    return ast.literal_eval(expression)


def parameters(function: Any) -> list[tuple[str, str, object]]:
    return [
        (p.name, p.kind.name.lower(), NO_DEFAULT if p.default is p.empty else p.default)
        for p in inspect.signature(function).parameters.values()
        if p.name != "self"
    ]


def fields(cls: Any) -> dict[str, object]:
    if issubclass(cls, BaseModel):
        return {
            name: field.get_default(call_default_factory=True)
            for name, field in cls.model_fields.items()
        }
    return {
        field.name: field.default_factory()
        if field.default_factory is not dataclasses.MISSING
        else NO_DEFAULT
        if field.default is dataclasses.MISSING
        else field.default
        for field in dataclasses.fields(cls)
    }


@pytest.mark.parametrize("name", DOUBLED)
def test_parameters_and_their_defaults_are_those_of_the_contract(name: str) -> None:
    contract, double = CONTRACT[name], the_double(name)
    expected = contract if contract["kind"] == "function" else contract.get("init")
    if expected is None:
        return
    assert parameters(double) == [
        (entry["name"], entry["kind"], default(entry)) for entry in expected["parameters"]
    ]
    if contract["kind"] == "function":
        assert inspect.iscoroutinefunction(double) == (expected["type"] == "async def")


@pytest.mark.parametrize("name", [n for n in DOUBLED if CONTRACT[n]["kind"] == "class"])
def test_fields_and_methods_are_those_of_the_contract(name: str) -> None:
    contract, double = CONTRACT[name], the_double(name)
    for method in set(contract["methods"]) - NOT_DOUBLED:
        assert hasattr(double, method), method
    if dataclasses.is_dataclass(double) or issubclass(double, BaseModel):
        assert fields(double) == {entry["name"]: default(entry) for entry in contract["fields"]}
    else:
        for entry in contract.get("fields", []):
            # Those are of the engine for programs without an event loop.
            if not entry["name"].startswith("sync_"):
                assert entry["name"] in {**vars(double), **double.__annotations__}
