"""JSON documents: a grammar that knows few end tokens, in an engine that dies of a bad schema."""

import json
from pathlib import Path
from typing import Any

from common.models.model import open_model
from common.settings import Settings
from services.mlc import MLCEngine
from tests.conftest import MODEL
from tests.contract.support import CHAT, answer, assert_error, post, text_of
from tests.mlc.builds import DEMO, model_with_grammar_end, write_build
from tests.mlc.conftest import StartEngine
from tests.mlc.test_engine import TOKENIZER, UNSURE, ids, request
from tests.mlc.test_engine import answer as chunks_of
from tests.service_process import start_service

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"capital": {"type": "string"}, "known": {"type": "boolean"}},
    "required": ["capital"],
}


def json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}


def test_a_model_without_a_known_end_cannot_be_held_to_json() -> None:
    engine = MLCEngine(Settings(engine_dir=str(DEMO)), open_model(Settings(), MODEL))
    assert "<|endoftext|>" in engine.gaps()["response_format"]


def test_a_model_with_one_can(tmp_path: Path) -> None:
    model = model_with_grammar_end(tmp_path / "model")
    engine = MLCEngine(Settings(engine_dir=str(DEMO)), open_model(Settings(), model))
    assert "response_format" not in engine.gaps()


async def test_a_schema_without_a_rule_of_its_own_does_not_end_the_engine(
    start: StartEngine, tmp_path: Path
) -> None:
    model = model_with_grammar_end(tmp_path / "model")
    engine = await start(model=model, engine_dir=str(write_build(tmp_path / "b", model=model)))
    for schema in ({}, {"type": "string"}, {"type": "array"}):
        assert ids(await chunks_of(engine, request(UNSURE, json_schema=schema)))
    document = await chunks_of(engine, request(UNSURE, json_schema=SCHEMA))
    assert json.loads(TOKENIZER.decode(ids(document), skip_special_tokens=True)).keys() == {
        "capital"
    }


def test_the_service_answers_in_json_and_refuses_what_would_end_the_engine(tmp_path: Path) -> None:
    model = model_with_grammar_end(tmp_path / "model")
    build = write_build(tmp_path / "build", model=model)
    with start_service("mlc", model=model, engine_dir=build) as service:
        value = answer(service, CHAT, "Hello", response_format=json_schema(SCHEMA))
        assert json.loads(text_of(value)).keys() == {"capital"}
        assert value["choices"][0]["finish_reason"] == "stop"
        value = answer(service, CHAT, "Hello", response_format={"type": "json_object"})
        assert json.loads(text_of(value)) == {}
        refused = post(service, CHAT, response_format=json_schema({"type": "str"}))
        assert "str" in assert_error(refused, 400, "invalid_value", "response_format")
        assert service.is_ready()
