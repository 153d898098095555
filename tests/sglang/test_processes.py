"""SGLang's processes: they end with the service, clients learn of their death, others go on."""

import asyncio
import json
import os
import signal
import subprocess
import uuid
from pathlib import Path

import httpx
import psutil
import pytest

from tests.contract.support import Samples
from tests.limits import DEADLINE
from tests.processes.test_stop import SECONDS_TO_VANISH, assert_gone, family, stream
from tests.service_process import (
    REPOSITORY,
    START_DEADLINE,
    Service,
    eventually,
    interpreter,
    start_service,
    with_double,
)
from tests.sglang.refusal import refusal

ENGINE_PROCESSES = ("scheduler", "detokenizer")
LONG = 4000


def engine_process(service: Service, name: str) -> psutil.Process:
    """The scheduler is started before the detokenizer."""
    children = [child for child in service.worker().children() if not is_pythons_or_ours(child)]
    assert len(children) == len(ENGINE_PROCESSES)
    return sorted(children, key=lambda child: child.pid)[ENGINE_PROCESSES.index(name)]


def is_pythons_or_ours(process: psutil.Process) -> bool:
    command = " ".join(process.cmdline())
    return "common.processes.worker_guard" in command or "resource_tracker" in command


async def test_streams_survive_the_stop_signal_and_the_engine_does_not() -> None:
    """SGLang would take the signal for itself at its first request."""
    with start_service("sglang") as service:
        worker = service.worker()
        old = [worker, *worker.children(recursive=True)]
        assert len(old) > len(ENGINE_PROCESSES)
        worker.kill()
        assert_gone(old)
        service.wait_ready()

        everything = family(service)
        started = asyncio.Event()
        running = asyncio.create_task(stream(service, started, max_tokens=400))
        await started.wait()
        os.killpg(service.process.pid, signal.SIGTERM)
        async with httpx.AsyncClient(base_url=service.url) as client:
            while (await client.get("/readyz")).status_code == 200:
                pass
            late = await client.post("/generate", json={"prompt": "late"})
        assert late.json()["error"]["code"] == "draining"
        assert len(await running) > 100
        assert service.process.wait(SECONDS_TO_VANISH) == 0
        assert_gone(everything)
        assert "Traceback" not in service.log_text()


@pytest.mark.parametrize("name", ENGINE_PROCESSES)
async def test_a_death_is_told_to_all_who_wait_within_a_second(name: str) -> None:
    with start_service("sglang", max_concurrency=2, queue_timeout=30) as service:
        everything = family(service)
        begun = [asyncio.Event() for _ in range(2)]
        waiting = [asyncio.create_task(stream(service, each, LONG)) for each in begun]
        for each in begun:
            await each.wait()
        engine_process(service, name).kill()
        errors = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), DEADLINE)
        assert [type(error) for error in errors] == [httpx.RemoteProtocolError] * 2
        for path in ("/livez", "/readyz"):
            response = service.http.get(path)
            assert (response.status_code, response.json()["error"]["code"]) == (503, "engine_dead")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(SECONDS_TO_VANISH) == 0
        assert_gone(everything)


async def test_a_child_that_reports_a_failure_is_a_death_too() -> None:
    """SGLang's children do it by SIGQUIT; left to itself it would end the whole service."""
    with start_service("sglang") as service:
        started = asyncio.Event()
        waiting = asyncio.create_task(stream(service, started, LONG))
        await started.wait()
        service.worker().send_signal(signal.SIGQUIT)
        with pytest.raises(httpx.RemoteProtocolError):
            await asyncio.wait_for(waiting, DEADLINE)
        assert service.http.get("/livez").json()["error"]["code"] == "engine_dead"


def test_a_model_that_cannot_be_loaded_is_one_line_and_leaves_nothing() -> None:
    mark = uuid.uuid4().hex
    arguments = {"quantization": "awq"}
    assert "SGLang cannot load the model" in refusal(engine_args=arguments, test_mark=mark)
    assert_gone([each for each in psutil.process_iter() if marked(each, mark)])


def marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get("TEST_MARK") == mark
    except psutil.Error:
        return False


def test_an_answer_that_ends_early_frees_its_place_in_the_scheduler() -> None:
    with start_service("sglang", max_concurrency=1) as service:
        usage = "kv_cache_usage_ratio"
        body = {"prompt": "hello", "max_tokens": LONG, "ignore_eos": True}
        with service.http.stream("POST", "/generate", json=body) as response:
            pieces = response.iter_raw()
            next(pieces)
            assert Samples(service)[usage] > 0
        eventually(lambda: Samples(service)[usage] == 0, DEADLINE, "the client has left")
        stopped = service.http.post("/generate", json=body | {"stop": ["e", "a", "o"]})
        assert stopped.status_code == 200
        eventually(lambda: Samples(service)[usage] == 0, DEADLINE, "a stop string has come")


@pytest.mark.parametrize("how", ["stop", "exit"])
def test_its_end_ends_its_own_processes_and_no_other_child(how: str, tmp_path: Path) -> None:
    """The service's guard is such a child."""
    environment = with_double({**os.environ, "BENTOML_HOME": str(tmp_path)}, "sglang")
    done = subprocess.run(
        [interpreter("sglang"), "-m", "tests.sglang.stop_beside_another_child", how],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        timeout=START_DEADLINE,
    )
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout)
    other = psutil.Process(result["other"])
    try:
        assert len(result["engine"]) >= len(ENGINE_PROCESSES)
        eventually(
            lambda: not any(map(psutil.pid_exists, result["engine"])), DEADLINE, "all have ended"
        )
        assert other.status() != psutil.STATUS_ZOMBIE
    finally:
        other.kill()
