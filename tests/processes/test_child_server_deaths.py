"""The death of a supervised server, its return, and servers that hang."""

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from common.errors import EngineDead, EngineLost, NotReady
from common.processes.restarts import Restarts
from common.processes.server import ROOT, ChildServer
from tests.limits import AT_ONCE
from tests.processes.supervised import (
    ONCE,
    SERVER,
    Make,
    back,
    gone,
    not_failing,
    powerless_guard,
    until,
)


async def test_a_killed_server_is_noticed_at_once_and_comes_back(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    supervised = make(restarts=Restarts(first_wait=1))
    await supervised.server.start()
    first = supervised.processes()
    begun = time.monotonic()
    first[0].kill()
    error = await supervised.server.failure("connection reset")
    assert isinstance(error, EngineLost)
    assert time.monotonic() - begun < AT_ONCE
    with pytest.raises(NotReady):
        supervised.server.check()
    health = await supervised.server.health()
    assert (health.alive, health.ready) == (True, False)
    assert "being started again" in health.reason
    await back(supervised, 2)
    assert all(map(gone, first))
    assert "died with exit code 137; its last lines: loading weights | serving" in caplog.text
    assert (await supervised.server.health()).ready


async def test_starts_that_fail_are_tried_again(make: Make) -> None:
    supervised = make(ONCE)
    await supervised.server.start()
    supervised.processes()[0].kill()
    await back(supervised, 4)
    assert (await supervised.server.health()).ready


async def test_it_is_given_up_after_the_limit_with_the_reason(make: Make) -> None:
    supervised = make(restarts=Restarts(limit=2, first_wait=0.05))
    await supervised.server.start()
    for start in (2, 3):
        supervised.processes()[0].kill()
        await back(supervised, start)
    supervised.processes()[0].kill()
    error = await supervised.server.failure("connection reset")
    assert isinstance(error, EngineDead)
    assert "died with exit code 137" in error.message
    with pytest.raises(EngineDead):
        supervised.server.check()
    assert not (await supervised.server.health()).alive
    assert supervised.starts == 3


async def test_a_restart_that_is_never_ready_is_the_end(make: Make) -> None:
    answers = [True]

    async def once() -> bool:
        return answers.pop() if answers else False

    supervised = make(ready=once, start_timeout=0.3)
    await supervised.server.start()
    await until(supervised.pids_file.exists, "serves")
    supervised.processes()[0].kill()

    def dead() -> bool:
        try:
            not_failing(supervised.server)
        except EngineDead as error:
            return "was not ready within 0.3 s" in error.message
        return False

    await until(dead, "given up")
    assert supervised.starts == 2


async def test_a_server_that_runs_but_does_not_answer_is_not_ready(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.processes.probe.PROBE_INTERVAL", 0)
    supervised = make()
    await supervised.server.start()
    supervised.pids_file.rename(supervised.folder / "hidden")
    health = await supervised.server.health()
    assert (health.alive, health.ready) == (True, False)
    assert "does not answer" in health.reason
    (supervised.folder / "hidden").rename(supervised.pids_file)
    assert (await supervised.server.health()).ready


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_stop_signal_to_the_workers_children_does_not_reach_the_server(
    make: Make, number: signal.Signals
) -> None:
    supervised = make()
    await supervised.server.start()
    supervised.guard().send_signal(number)
    # Signals are handled in order: that it hears the next one shows that it has ignored this one.
    supervised.guard().send_signal(signal.SIGSTOP)
    await until(lambda: supervised.guard().status() == "stopped", "heard")
    supervised.guard().send_signal(signal.SIGCONT)
    assert not any(map(gone, supervised.processes()))
    assert (await supervised.server.health()).ready


async def test_a_killed_guard_takes_all_of_its_server_along(make: Make) -> None:
    supervised = make()
    await supervised.server.start()
    first = supervised.processes()
    supervised.guard().kill()
    await back(supervised, 2)
    assert all(map(gone, first))
    assert not any(map(gone, supervised.processes()))


async def test_a_full_log_does_not_block_the_server(make: Make) -> None:
    supervised = make(f"print('x' * 5_000_000); print('a line\\n' * 100_000)\n{SERVER}")
    await supervised.server.start()
    assert supervised.server.last_lines().count("|") == 4


def why_dead(server: ChildServer) -> str:
    """Empty as long as it may come back."""
    try:
        server.check()
    except EngineDead as error:
        return error.message
    except NotReady:
        pass
    return ""


async def test_a_restart_without_its_directory_is_the_end(make: Make) -> None:
    supervised = make()
    await supervised.server.start()
    process = supervised.processes()[0]
    shutil.rmtree(supervised.folder)
    process.kill()
    await until(lambda: "FileNotFoundError" in why_dead(supervised.server), "given up")
    assert isinstance(await supervised.server.failure("connection reset"), EngineDead)
    assert not (await supervised.server.health()).alive
    await supervised.server.stop()


async def test_a_readiness_check_that_fails_at_a_restart_is_the_end_of_that_server(
    make: Make,
) -> None:
    async def ready() -> bool:
        serves = supervised.pids_file.exists()
        if serves and supervised.starts == 2:
            raise KeyError("url")
        return serves

    supervised = make(ready=ready)
    await supervised.server.start()
    supervised.processes()[0].kill()
    await until(lambda: "KeyError('url')" in why_dead(supervised.server), "given up")
    pids = map(int, supervised.pids_file.read_text().split())
    assert not any(map(psutil.pid_exists, pids))


ENDS_WITHOUT_STOP = """
import asyncio, sys
from pathlib import Path
from tests.processes.supervised import Supervised
asyncio.run(Supervised(Path(sys.argv[1])).server.start())
"""


def test_a_process_that_never_stops_its_server_can_still_end(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", ENDS_WITHOUT_STOP, str(tmp_path)]
    assert subprocess.run(argv, cwd=ROOT, timeout=20, check=False).returncode == 0


async def test_health_does_not_wait_for_a_server_that_hangs(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.processes.probe.PROBE_INTERVAL", 0)
    monkeypatch.setattr("common.processes.probe.PROBE_TIMEOUT", 2)
    hangs, asked = False, 0

    async def ready() -> bool:
        nonlocal asked
        if hangs:
            asked += 1
            await asyncio.Event().wait()
        return supervised.pids_file.exists()

    supervised = make(ready=ready)
    await supervised.server.start()
    hangs, begun = True, time.monotonic()
    healths = await asyncio.gather(*(supervised.server.health() for _ in range(5)))
    assert time.monotonic() - begun < AT_ONCE
    assert all(health.ready for health in healths)
    assert asked == 1
    while (health := await supervised.server.health()).ready:
        assert time.monotonic() - begun < 10
    assert health.reason == "Engine runs and does not answer"
    hangs = False
    while not (await supervised.server.health()).ready:
        assert time.monotonic() - begun < 20


async def test_stopping_ends_a_probe_that_hangs(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.processes.probe.PROBE_INTERVAL", 0)
    ended = asyncio.Event()

    async def ready() -> bool:
        if supervised.starts and supervised.pids_file.exists() and not first.done():
            first.set_result(None)
            return True
        try:
            return await asyncio.Event().wait() if first.done() else False
        finally:
            if first.done():
                ended.set()

    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    supervised = make(ready=ready)
    await supervised.server.start()
    await supervised.server.health()
    assert not ended.is_set()
    await supervised.server.stop()
    assert ended.is_set()


async def test_what_cannot_be_killed_is_the_end_as_it_holds_its_memory(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = powerless_guard(tmp_path)
    monkeypatch.setattr("common.processes.guarded.GUARD", str(guard))
    supervised = make()
    await supervised.server.start()
    server, child = supervised.processes()
    try:
        server.kill()
        await until(lambda: bool(why_dead(supervised.server)), "given up")
        assert f"killed and not gone: process {child.pid}" in why_dead(supervised.server)
        assert supervised.starts == 1
    finally:
        child.kill()
