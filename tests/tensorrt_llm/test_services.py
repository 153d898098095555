"""The service as a user starts it, with a compiled engine and when the engine dies."""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from typing import Any

import httpx
import psutil
import pytest

from tests.contract.support import CHAT, answer, chat, text_of, user
from tests.limits import AT_ONCE, DEADLINE
from tests.refusals import refusal_lines, refusals_before_start
from tests.service_process import Service, start_service
from tests.tensorrt_llm.support import compiled_engine

SECONDS_TO_TELL = AT_ONCE
CLIENTS = 4
COUNT = "Count from 1 to 40."


def refused_engines(*folders: Path, **settings: Any) -> list[str]:
    given = [{"engine_dir": folder, **settings} for folder in folders]
    return refusals_before_start("tensorrt_llm", *given)


def test_a_missing_engine_directory_is_one_line_with_the_command_that_makes_it(
    tmp_path: Path,
) -> None:
    missing, empty, whole = (tmp_path / name for name in ("missing", "empty", "whole"))
    empty.mkdir()
    whole.mkdir()
    (compiled_engine(whole) / "rank0.engine").unlink()
    first, second, third = refused_engines(missing, empty, whole)
    assert first.startswith(f"error: setting 'engine_dir': there is no directory {missing}")
    assert "compile one with: python -m build_scripts.trtllm" in first
    assert f"{empty} has no config.json" in second
    assert f"{whole} has no rank0.engine" in third


def test_an_engine_for_another_gpu_is_refused_with_both_architectures(tmp_path: Path) -> None:
    engine_dir = compiled_engine(tmp_path, "8.0")
    (line,) = refused_engines(engine_dir, double_gpus="Double GPU, 9.0")
    assert "compute capability 8.0 (Some GPU)" in line
    assert "this GPU has compute capability 9.0 (Double GPU)" in line


def test_an_unknown_engine_argument_is_one_line() -> None:
    (line,) = refusal_lines("tensorrt_llm", engine_args={"max_batchsize": 4})
    assert "did you mean 'max_batch_size'" in line


def test_a_compiled_engine_serves(tmp_path: Path) -> None:
    engine_dir = compiled_engine(tmp_path)
    with start_service("tensorrt_llm", engine_dir=engine_dir) as service:
        value = chat(service, user(COUNT), max_tokens=12)
        assert text_of(value).startswith("1, 2, 3")
        bias = chat(service, user(COUNT), max_tokens=2, logit_bias={"40": 100})
        assert bias["usage"]["completion_tokens"] == 2
        refused = service.http.post(CHAT, json={"messages": user("a"), "logprobs": True})
        assert refused.json()["error"]["code"] == "unsupported_parameter"


def test_the_torch_sampler_refuses_what_it_would_ignore() -> None:
    with start_service("tensorrt_llm", engine_args={"sampler_type": "TorchSampler"}) as service:
        for name, value in (("seed", 5), ("presence_penalty", 1), ("min_tokens", 2)):
            body = {"messages": user("a"), name: value}
            error = service.http.post(CHAT, json=body).json()["error"]
            assert (error["code"], error["param"]) == ("unsupported_parameter", name)
        counted = answer(service, CHAT, COUNT, temperature=0, max_tokens=12)
        assert text_of(counted).startswith("1, 2, 3")
        ended = answer(service, CHAT, "Hello", temperature=0)
        assert ended["choices"][0]["finish_reason"] == "stop"


def stream_until_cut(service: Service, started: Semaphore) -> float:
    """When a stream without an end was cut off, by time.monotonic."""
    body = {"prompt": "Qxz fjord 9", "max_tokens": 4000, "ignore_eos": True}
    with (
        httpx.Client(base_url=service.url, timeout=60) as client,
        client.stream("POST", "/generate", json=body) as response,
    ):
        assert response.status_code == 200
        started.release()
        with pytest.raises(httpx.RemoteProtocolError):
            deque(response.iter_raw(), maxlen=0)
    return time.monotonic()


def expect_dead(service: Service) -> None:
    for path in ("/livez", "/readyz"):
        response = service.http.get(path)
        assert (response.status_code, response.json()["error"]["code"]) == (503, "engine_dead")
    response = service.http.post("/generate", json={"prompt": "a"})
    assert response.json()["error"]["code"] == "engine_dead"


def test_a_death_under_load_cuts_every_stream_at_once() -> None:
    with start_service("tensorrt_llm", double_die_after=400) as service:
        with ThreadPoolExecutor(CLIENTS) as pool:
            cut = list(pool.map(stream_until_cut, [service] * CLIENTS, [Semaphore(0)] * CLIENTS))
        assert max(cut) - min(cut) < SECONDS_TO_TELL
        expect_dead(service)


def test_a_killed_process_of_the_model_cuts_every_stream_and_nothing_is_left() -> None:
    with start_service("tensorrt_llm") as service:
        family = [service.worker(), *service.worker().children(recursive=True)]
        (rank,) = [p for p in family if any("mpi4py.futures" in part for part in p.cmdline())]
        with ThreadPoolExecutor(CLIENTS) as pool:
            started = Semaphore(0)
            streams = [pool.submit(stream_until_cut, service, started) for _ in range(CLIENTS)]
            for _ in streams:
                assert started.acquire(timeout=20)
            killed = time.monotonic()
            rank.kill()
            cut = [stream.result(timeout=20) for stream in streams]
        assert max(cut) - killed < SECONDS_TO_TELL
        expect_dead(service)
    gone, left = psutil.wait_procs(family, timeout=DEADLINE)
    assert not left, (gone, left)
