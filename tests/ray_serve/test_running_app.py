"""The adapter over an app that answers in Ray's manner: ends, errors, and the settings it takes."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from common.engine import Chunk, GenerateRequest
from common.errors import (
    EngineLost,
    InternalError,
    InvalidValue,
    Overloaded,
    ServiceError,
    StartError,
)
from common.models.model import DEMO_MODEL
from common.sampling import Sampling
from common.settings import Settings
from services._xgrammar.structural_tag import structural_tag
from tests.conftest import require_backend
from tests.ray_serve.running_app import (
    ACTOR_LOST,
    DONE,
    ENGINE_LOST,
    REFUSED,
    WHOLE,
    RayServeEngine,
    engine_of,
    event,
    running_app,
    tokens,
)
from tests.real_packages.samplings import CALLS
from tests.refusals import refusal

REQUEST = GenerateRequest("asked", (5, 6, 7), Sampling(max_tokens=2))


async def answer(engine: RayServeEngine, request: GenerateRequest = REQUEST) -> list[Chunk]:
    return [chunk async for chunk in engine.generate(request)]


async def collect(engine: RayServeEngine, got: list[Chunk]) -> None:
    """`got` keeps what came before a failure."""
    async for chunk in engine.generate(REQUEST):
        got.append(chunk)


async def test_an_answer_ends_with_its_finish_reason_and_what_was_cached() -> None:
    async with running_app() as app, engine_of(app) as engine:
        first, last = await answer(engine)
    assert (first.token_ids, first.finish_reason) == ([5], None)
    assert (last.token_ids, last.finish_reason, last.cached_tokens) == ([6], "length", 4)


CUT: dict[str, list[bytes]] = {
    "without [DONE]": WHOLE[:-1],
    "without a last token": [tokens(5), DONE],
    "at once": [],
    "in the middle of an event": [tokens(5), tokens(6, finish="stop")[:-9]],
    "by a dead engine": [tokens(5), event({"error": ENGINE_LOST}), DONE],
}


@pytest.mark.parametrize("cut", CUT)
async def test_a_cut_stream_never_looks_finished_though_its_status_is_200(cut: str) -> None:
    got: list[Chunk] = []
    async with running_app() as app, engine_of(app) as engine:
        app.stream = CUT[cut]
        with pytest.raises(EngineLost):
            await collect(engine, got)
    assert all(chunk.finish_reason is None for chunk in got)


async def test_an_end_that_is_neither_stop_nor_length_is_an_error() -> None:
    async with running_app() as app, engine_of(app) as engine:
        app.stream = [tokens(5, finish="abort"), DONE]
        with pytest.raises(InternalError):
            await answer(engine)


REFUSALS: dict[str, tuple[int, Any, type[ServiceError], str]] = {
    "a bad value": (400, {"error": {"message": "Message: temperature must be non-negative, got "
        "-3.0. (parameter=temperature, value=-3.0) (Request ID: 1), Internal exception: x"}},
        InvalidValue, "vLLM refuses the request: temperature must be non-negative, got -3.0."),
    "a lost actor": (500, ACTOR_LOST, EngineLost, "send it again"),
    "no replica": (503, {"detail": "no replica is left"}, EngineLost, "send it again"),
    "an app that is gone": (404, {"detail": "Path '/llm' not found."}, EngineLost, "send it again"),
    "too many": (429, {"detail": "backpressure"}, Overloaded, "too many requests at once"),
    "a proxy's own": (401, {"detail": "who are you?"}, InternalError, "status 401"),
    "a fault": (500, {"error": {"message": "Message: division by zero"}}, InternalError,
        "status 500: division by zero"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_status_becomes_the_error_that_clients_are_told(case: str) -> None:
    status, body, kind, message = REFUSALS[case]
    async with running_app() as app, engine_of(app) as engine:
        app.refusal = status, body
        with pytest.raises(kind) as caught:
            await answer(engine)
    assert message in caught.value.message
    assert "Request ID" not in caught.value.message


async def test_a_refusal_within_the_stream_is_told_without_the_value() -> None:
    async with running_app() as app, engine_of(app) as engine:
        app.stream = [event({"error": REFUSED}), DONE]
        with pytest.raises(InvalidValue) as caught:
            await answer(engine)
    assert "out-of-vocab" in caught.value.message
    assert "value=" not in caught.value.message


async def test_a_closed_answer_closes_the_connection() -> None:
    async with running_app() as app, engine_of(app) as engine:
        app.stream = [tokens(5)] * 100_000
        async with aclosing(engine.generate(REQUEST)) as chunks:
            await anext(chunks)
    assert app.left


async def test_an_app_that_stops_is_not_ready_and_requests_are_told() -> None:
    async with running_app() as app:
        context = engine_of(app)
        engine = await context.__aenter__()
    with pytest.raises(EngineLost):
        await answer(engine)
    engine._server._probe.forget()
    health = await engine.health()
    assert health.alive
    assert not health.ready
    await context.__aexit__(None, None, None)


async def test_every_value_is_sent_in_vllms_terms() -> None:
    sampling = Sampling(
        max_tokens=9, temperature=0.5, top_p=0.9, top_k=3, min_p=0.1, repetition_penalty=1.1,
        presence_penalty=0.2, frequency_penalty=0.3, seed=2**63 - 1, min_tokens=4,
        end_token_ids=frozenset({9, 2}), logprobs=None, logit_bias={7: 5.0},
        json_schema={"type": "array"},
    )  # fmt: skip
    async with running_app() as app, engine_of(app) as engine:
        await answer(engine, GenerateRequest("name", (1, 2), sampling))
        body = app.body
        free = Sampling(max_tokens=1, min_tokens=1, json_schema={"type": "object"})
        await answer(engine, GenerateRequest("name", (1, 2), free))
        free_body = app.body
        await answer(engine, GenerateRequest("name", (1, 2), Sampling(max_tokens=1, calls=CALLS)))
    assert body["prompt"] == [1, 2]
    assert body["request_id"] == "name"
    assert (body["stop_token_ids"], body["min_tokens"], body["ignore_eos"]) == ([2, 9], 4, False)
    assert (body["logit_bias"], body["seed"], body["top_k"]) == ({"7": 5.0}, 2**63 - 1, 3)
    assert body["structured_outputs"] == {"json": {"type": "array"}}
    assert free_body["structured_outputs"] == {"json_object": True}
    assert free_body["min_tokens"] == 0
    assert json.loads(app.body["structured_outputs"]["structural_tag"]) == structural_tag(
        Sampling(1, calls=CALLS)
    )
    assert app.body["ignore_eos"] is False


async def refused(**given: Any) -> str:
    """The line of a start that must fail; `given` are of the app, or settings."""
    async with running_app() as app:
        for name in given.keys() & vars(app).keys():
            setattr(app, name, given.pop(name))
        with pytest.raises(StartError) as caught:
            await engine_of(app, **given).__aenter__()
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_an_app_of_several_models_gives_the_one_that_is_named() -> None:
    assert "'served_model_name': the app has no model 'mine'; allowed is one of 'a', 'b'" in (
        await refused(models=["a", "b"], served_model_name="mine")
    )
    async with running_app() as app:
        app.models = ["a", "b"]
        async with engine_of(app, served_model_name="b") as engine:
            await answer(engine)
            assert app.body["model"] == "b"


async def test_an_app_of_another_model_or_of_less_context_is_refused(tmp_path: Path) -> None:
    assert "maximum context length is 64 tokens." in await refused(context=64)
    other = json.loads((DEMO_MODEL / "tokenizer.json").read_text("utf-8"))
    vocabulary = other["model"]["vocab"]
    vocabulary["1"], vocabulary["2"] = vocabulary["2"], vocabulary["1"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(other), "utf-8")
    assert "another tokenizer" in await refused(tokenizer=tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"engine_url": "host:8000"}, "is no address of an app"),
        ({"engine_url": "http://[::1"}, "is no address of an app"),
        ({"engine_url": "http://host:8000", "dtype": "float32"}, "setting 'dtype' has no effect"),
        ({"engine_url": "http://host:8000", "engine_dir": "x"}, "setting 'engine_dir'"),
    ],
)
def test_what_a_running_app_cannot_be_told_is_refused(given: Any, expected: str) -> None:
    with pytest.raises(StartError, match=expected):
        RayServeEngine.check(Settings(**given))


async def test_where_nothing_answers_the_start_ends_with_one_line() -> None:
    async with running_app() as app:
        pass
    with pytest.raises(StartError, match="'engine_url': no Ray Serve answers at"):
        await engine_of(app).__aenter__()


def test_an_argument_that_neither_ray_nor_vllm_has_is_one_line() -> None:
    require_backend("ray_serve")
    line = refusal("ray_serve", engine_args={"max_num_sequs": 4})
    assert "has no argument 'max_num_sequs'; did you mean 'max_num_seqs'?" in line
