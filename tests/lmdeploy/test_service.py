"""LMDeploy's service at its ends: what does not start, what dies, what is left behind."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.support import CHAT, COMPLETIONS, assert_error, post, text_of, tokenize
from tests.limits import AT_ONCE, DEADLINE
from tests.processes.test_stop import SECONDS_TO_VANISH, assert_gone, family, stream
from tests.service_process import Service, eventually, start_service

PYTORCH = {"backend": "pytorch"}
DIE_AFTER = 200
"""Tokens: the start takes a few."""
SECONDS_TO_START = 60.0


@pytest.fixture(scope="module")
def turbomind() -> Iterator[Service]:
    with start_service("lmdeploy") as service:
        yield service


def refusal(**settings: Any) -> str:
    """The one line that tells why the service does not start."""
    service = start_service("lmdeploy", wait=False, **settings)
    try:
        assert service.process.wait(SECONDS_TO_START) == 1
    finally:
        service.process.kill()
        service.http.close()
    lines = [line for line in service.log_text().splitlines() if line.startswith("error: ")]
    assert "Traceback" not in service.log_text()
    (line,) = lines
    return line


def test_an_exit_of_lmdeploy_is_one_line_with_what_it_said() -> None:
    """Its check of the environment ends the process where nothing catches that."""
    line = refusal(engine_args=PYTORCH, DOUBLE_EXIT_AT_START=1)
    assert "<Environment> check failed! Please check your environment." in line


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"engine_args": {"session_length": 9}}, "did you mean 'session_len'"),
        ({"engine_args": {"backend": "tm"}}, "allowed are turbomind and pytorch"),
        ({"kv_cache_gib": 1}, "gpu_memory_utilization"),
        ({"chunked_prefill": "false"}, "max_prefill_token_num"),
        ({"dtype": "float32"}, "allowed are auto, bfloat16, float16"),
    ],
)
def test_a_setting_that_lmdeploy_cannot_honour_is_one_line(
    settings: dict[str, Any], expected: str
) -> None:
    assert expected in refusal(**settings)


async def test_a_dead_engine_is_told_to_who_waits_and_by_the_health_routes() -> None:
    settings: dict[str, Any] = {"engine_args": PYTORCH, "DOUBLE_DIE_AFTER": DIE_AFTER}
    with start_service("lmdeploy", **settings) as service:
        body = {"prompt": "hello", "max_tokens": 3000, "ignore_eos": True}
        last = 0.0
        async with (
            httpx.AsyncClient(base_url=service.url, timeout=60) as client,
            client.stream("POST", "/generate", json=body) as response,
        ):
            with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012
                async for _ in response.aiter_raw():
                    last = time.monotonic()
            assert time.monotonic() - last < AT_ONCE
        for path in ("/livez", "/readyz"):
            assert_error(service.http.get(path), 503, "engine_dead")
        assert_error(post(service, CHAT), 503, "engine_dead")
        assert "loop is not alive" in service.log_text()


def test_the_end_of_the_process_breaks_the_stream_off_and_a_new_one_serves() -> None:
    """A failed check inside TurboMind ends its process, which is the worker."""
    with start_service("lmdeploy", DOUBLE_DIE_AFTER=DIE_AFTER) as service:
        old = service.worker()
        body = {"prompt": "hello", "max_tokens": 3000, "ignore_eos": True}
        with pytest.raises(httpx.RemoteProtocolError):
            service.http.post("/generate", json=body)
        assert_gone([old])
        eventually(service.is_ready, SECONDS_TO_START, "a new worker serves")


def test_a_failed_request_is_no_death() -> None:
    with start_service("lmdeploy", DOUBLE_FAIL_AFTER=20) as service:
        body = {"ignore_eos": True, "max_tokens": 40}
        assert_error(post(service, COMPLETIONS, **body), 500, "internal_error")
        assert post(service, COMPLETIONS, max_tokens=10).status_code == 200
        assert service.http.get("/readyz").status_code == 200


async def test_workers_let_streams_finish_and_are_gone_with_the_service() -> None:
    with start_service("lmdeploy", engine_args=PYTORCH, tensor_parallel_size=2) as service:
        everything = family(service)
        workers = [p for p in everything if any("spawn_main" in part for part in p.cmdline())]
        assert len(workers) == 2
        started = asyncio.Event()
        running = asyncio.create_task(stream(service, started, max_tokens=400))
        await started.wait()
        os.killpg(service.process.pid, signal.SIGTERM)
        assert len(await running) > 100
        assert service.process.wait(SECONDS_TO_VANISH) == 0
        assert_gone(everything)


def test_more_end_tokens_than_turbomind_takes_are_refused(turbomind: Service) -> None:
    ids = list(range(100, 132))
    assert post(turbomind, CHAT, stop_token_ids=ids[:31], max_tokens=2).status_code == 200
    message = assert_error(
        post(turbomind, CHAT, stop_token_ids=ids), 400, "invalid_value", "stop_token_ids"
    )
    assert "at most 32" in message


def test_the_tokens_of_an_answer_include_its_end(turbomind: Service) -> None:
    """LMDeploy leaves it out of ids and counts unless it is asked for it."""
    value = post(turbomind, CHAT, "Hello", temperature=0).json()
    shown = tokenize(turbomind, prompt=text_of(value), add_special_tokens=False)
    assert value["choices"][0]["finish_reason"] == "stop"
    assert value["usage"]["completion_tokens"] == len(shown) + 1


def test_lmdeploys_own_series_move(turbomind: Service) -> None:
    def generated() -> float:
        (line,) = [
            line
            for line in turbomind.http.get("/metrics").text.splitlines()
            if line.startswith("lmdeploy:generation_tokens_total{")
        ]
        return float(line.rpartition(" ")[2])

    before = generated()
    assert post(turbomind, CHAT, max_tokens=7, ignore_eos=True).status_code == 200
    eventually(lambda: generated() - before == 7, DEADLINE, "seven tokens more")


def test_the_seed_of_the_service_repeats_its_first_answers() -> None:
    first: list[str] = []
    again: list[str] = []
    for answers in (first, again):
        with start_service("lmdeploy", seed=5) as service:
            for _ in range(2):
                value = post(service, CHAT, "Qxz fjord 9", temperature=2, max_tokens=20).json()
                answers.append(text_of(value))
    assert first == again
    assert first[0] != first[1]
