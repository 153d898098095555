"""LMDeploy's service at its ends: what does not start, what dies, what is left behind."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.support import CHAT, COMPLETIONS, assert_error, post, text_of, tokenize
from tests.limits import AT_ONCE, DEADLINE
from tests.model_directories import demo_copy
from tests.processes.test_stop import SECONDS_TO_VANISH, assert_gone, family, stream
from tests.refusals import refusal, refusal_lines, refusals_before_start
from tests.service_process import Service, eventually, start_service

PYTORCH = {"backend": "pytorch"}
DIE_AFTER = 200
"""Tokens, or the PyTorch engine's forward passes: the start takes a few."""
SECONDS_TO_START = 60.0


def test_a_machine_without_a_gpu_is_told_by_either_engine() -> None:
    """Where nothing helps them onto the CPU."""
    line = refusal("lmdeploy", doubled=False)
    assert "its native module is unavailable. libcu" in line
    assert "cannot open shared object file" in line
    *said, line = refusal_lines("lmdeploy", doubled=False, engine_args=PYTORCH)
    assert "LMDeploy cannot work here: see above for what it said" in line
    assert any("Torch not compiled with CUDA enabled" in each for each in said)


def test_a_cache_that_is_too_small_for_the_context_is_one_line() -> None:
    """What else fails when the engine is there: adapter/test_failing_starts.py."""
    line = refusal("lmdeploy", engine_args={**PYTORCH, "num_gpu_blocks": 16})
    assert "setting 'max_model_len': 4096 tokens do not fit into LMDeploy's KV cache" in line


def test_a_setting_that_lmdeploy_cannot_honour_is_one_line() -> None:
    expected: dict[str, dict[str, Any]] = {
        "allowed are turbomind and pytorch": {"engine_args": {"backend": "tm"}},
        "gpu_memory_utilization": {"kv_cache_gib": 1},
        "max_prefill_token_num": {"chunked_prefill": "false"},
        "allowed are auto, bfloat16, float16": {"dtype": "float32"},
    }
    lines = refusals_before_start("lmdeploy", *expected.values())
    for part, line in zip(expected, lines, strict=True):
        assert part in line


async def test_a_broken_device_is_told_to_who_waits_and_by_the_health_routes(
    tmp_path: Path,
) -> None:
    """And the directory of the model is as it was."""
    folder = demo_copy(tmp_path / "model")
    files = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    settings: dict[str, Any] = {"model": folder, "CPU_DEVICE_FAILS_AT": DIE_AFTER}
    with start_service("lmdeploy", engine_args=PYTORCH, **settings) as service:
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
        assert "the engine is dead: PyTorch engine " in service.log_text()
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == files


def first_answers(service: Service) -> list[str]:
    fields: dict[str, Any] = {"temperature": 2, "max_tokens": 20}
    return [text_of(post(service, CHAT, "Qxz fjord 9", **fields).json()) for _ in range(2)]


def test_the_end_of_the_process_breaks_the_stream_off_and_a_new_one_serves() -> None:
    """A failed check inside TurboMind ends its process, which is the worker. The new one has the
    seed of the service, too, and repeats the first answers."""
    with start_service("lmdeploy", seed=5, DOUBLE_DIE_AFTER=DIE_AFTER) as service:
        old = service.worker()
        first = first_answers(service)
        body = {"prompt": "hello", "max_tokens": 3000, "ignore_eos": True}
        with pytest.raises(httpx.RemoteProtocolError):
            service.http.post("/generate", json=body)
        assert_gone([old])
        eventually(service.is_ready, SECONDS_TO_START, "a new worker serves")
        assert first_answers(service) == first
    assert first[0] != first[1]


def test_a_failed_request_is_no_death() -> None:
    with start_service("lmdeploy", DOUBLE_FAIL_AFTER=20) as service:
        body = {"ignore_eos": True, "max_tokens": 40}
        assert_error(post(service, COMPLETIONS, **body), 500, "internal_error")
        assert post(service, COMPLETIONS, max_tokens=10).status_code == 200
        assert service.http.get("/readyz").status_code == 200


async def test_streams_finish_and_everything_is_gone_with_the_service() -> None:
    with start_service("lmdeploy", engine_args=PYTORCH) as service:
        everything = family(service)
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
