"""One client's request neither exceeds the slots nor hides that the engine works."""

import asyncio

import httpx
import pytest

from tests.conftest import EchoFactory
from tests.contract.support import CHAT, COMPLETIONS, GENERATE, Samples, body_for
from tests.service_process import Service

SLOTS = 2


@pytest.fixture
def narrow(echo_service: EchoFactory) -> Service:
    return echo_service(
        engine_args={"itl": 0.01}, max_concurrency=SLOTS, max_queue=1, queue_timeout=0.2
    )


async def test_many_answers_to_one_prompt_never_take_more_than_all_slots(narrow: Service) -> None:
    body = body_for(CHAT, "Hello", n=16, max_tokens=4, ignore_eos=True)
    async with httpx.AsyncClient(base_url=narrow.url, timeout=60) as client:
        asking = asyncio.create_task(client.post(CHAT, json=body))
        seen = set()
        while not asking.done():
            seen.add((await asyncio.to_thread(Samples, narrow))["requests_running"])
        answer = await asking
    assert answer.status_code == 200
    assert [choice["index"] for choice in answer.json()["choices"]] == list(range(16))
    assert max(seen) == SLOTS


def test_a_request_of_many_prompts_counts_each_prompt_once(narrow: Service) -> None:
    body = {"prompt": ["Hello", "Goodbye"], "n": 2, "max_tokens": 3, "ignore_eos": True}
    usage = narrow.http.post(COMPLETIONS, json=body).json()["usage"]
    single = narrow.http.post("/tokenize", json={"prompt": "Hello"}).json()["count"]
    other = narrow.http.post("/tokenize", json={"prompt": "Goodbye"}).json()["count"]
    assert usage["prompt_tokens"] == single + other
    assert usage["completion_tokens"] == 12


async def test_a_busy_engine_is_ready_without_a_probe(echo_service: EchoFactory) -> None:
    """The one slot is taken for longer than the probe interval."""
    service = echo_service(
        engine_args={"itl": 0.01}, max_concurrency=1, max_queue=0, probe_interval=0.3
    )
    body = body_for(GENERATE, "Hello", max_tokens=150, ignore_eos=True)
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        asking = asyncio.create_task(client.post(GENERATE, json=body))
        while not asking.done():
            assert (await client.get("/readyz")).status_code == 200
        assert asking.result().status_code == 200


def test_tokens_without_visible_text_are_tokens_too(echo_service: EchoFactory) -> None:
    """Echoed special tokens show nothing, for longer than the first token may take."""
    service = echo_service(engine_args={"itl": 0.005}, first_token_timeout=1)
    ids = service.http.post(
        "/tokenize", json={"prompt": "<|pad|><|pad|>", "add_special_tokens": False}
    ).json()["tokens"]
    body = {"prompt": ids, "max_tokens": 300, "ignore_eos": True}
    reply = service.http.post(COMPLETIONS, json=body)
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["text"] == ""
    assert reply.json()["usage"]["completion_tokens"] == 300
