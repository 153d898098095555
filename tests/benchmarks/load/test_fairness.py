"""Whether backends were asked the same on equal terms, and what is said where they were not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.load.prepare import HASHED_IDS, token_ids_hash
from benchmarks.load.result import result as result_of
from benchmarks.load.run import WorkerResult
from benchmarks.load.spec import Spec
from benchmarks.prompts import load_prompts
from benchmarks.results.fairness import terms, unfair
from benchmarks.results.schema import Environment, Prompts, Result, Subject, Warmth

ORDER = load_prompts("builtin").order(0)
WARM = Warmth(requests=4, first_ttft=0.1, last_ttft=0.1, cache_emptied=False)


@asynccontextmanager
async def tokenizing(start: str) -> AsyncIterator[tuple[str, list[Any]]]:
    """Yields a server whose token ids are bytes after those of `start`, and what it was asked."""
    asked: list[Any] = []

    async def tokenize(request: web.Request) -> web.Response:
        body = await request.json()
        asked.append(body)
        return web.json_response({"tokens": [*f"{start}{body['messages']}".encode()]})

    app = web.Application()
    app.router.add_post("/tokenize", tokenize)
    async with TestServer(app) as server:
        yield str(server.make_url("/")).rstrip("/"), asked


async def test_engines_of_one_chat_template_have_one_hash() -> None:
    async with tokenizing("") as (one, asked), tokenizing("<s>") as (other, _):
        load = Spec(url=one, model="m", system_prompt="Be brief.")
        first = await token_ids_hash(load, ORDER)
        assert len(asked) == HASHED_IDS
        assert [message["role"] for message in asked[0]["messages"]] == ["system", "user"]
        assert asked[0]["model"] == "m"
        by_text = load.model_copy(update={"protocol": "generate"})
        assert await token_ids_hash(by_text, ORDER) == first
        elsewhere = load.model_copy(update={"url": other})
        assert await token_ids_hash(elsewhere, ORDER) not in (first, None)


async def test_an_endpoint_without_tokenize_has_no_hash() -> None:
    async with TestServer(web.Application()) as server:
        url = str(server.make_url("/")).rstrip("/")
        assert await token_ids_hash(Spec(url=url), ORDER) is None


def measured(backend: str, ids: str | None = "1", warm: Warmth = WARM, **load: object) -> Result:
    result, _ = result_of(
        Spec.model_validate({"url": "http://x", "duration": 10, "max_tokens": 32} | load),
        Subject(backend=backend, model="m", url="http://x", settings={"seed": f"{len(backend)}"}),
        Prompts(source="s", count=1, hash="h", seed=0, token_ids=ids),
        [WorkerResult(requests=(), end=11, interrupted=False)],
        started="2026-01-01T00:00:00Z",
        environment=Environment(versions={}, host="here", cpus=1),
        warmth=warm,
    )
    return result


def test_equal_terms_are_fair_whatever_the_settings() -> None:
    results = [measured("a"), measured("bb")]
    assert list(unfair(results)) == []
    (setting,) = [term for term in terms(results) if term.name == "setting seed"]
    assert setting.values == {"a": "1", "bb": "2"}
    assert setting.differs
    assert not setting.matters


def test_what_differs_is_named_with_each_value() -> None:
    emptied = WARM.model_copy(update={"cache_emptied": True})
    results = [measured("a"), measured("b", ids="2", warm=emptied, temperature=0)]
    assert list(unfair(results)) == [
        "sampling: a the model's own, b temperature 0",
        "warm-up: a 4 requests, b 4 requests, then its cache was emptied",
        "the same prompts have other token ids: a 1, b 2",
    ]
    assert list(unfair([measured("a"), measured("b", ids=None)])) == []


def test_a_first_request_that_waited_for_graphs_is_noted() -> None:
    slow = WARM.model_copy(update={"first_ttft": 12.0})
    (note,) = measured("a", warm=slow).notes
    assert note.startswith("the first request of the warm-up had its first token after 12.0 s, the")
