"""A supervised server: its start, its death, its return, and what is left of it: nothing."""

import asyncio
import logging
import os
from pathlib import Path

import psutil
import pytest

from common.errors import StartError
from common.processes.server import ChildServer, Command
from tests.processes.supervised import FAILS, SLEEP, STUBBORN, Make, gone, is_of, until


async def test_a_started_server_is_healthy_and_its_log_is_forwarded(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bentoml.llm.supervision")
    supervised = make()
    await supervised.server.start()
    supervised.server.check()
    health = await supervised.server.health()
    assert (health.alive, health.ready) == (True, True)
    await until(lambda: "Engine: serving" in caplog.text, "its log is ours")


async def test_stopping_leaves_nothing_in_any_process_group(make: Make) -> None:
    supervised = make()
    await supervised.server.start()
    processes = supervised.processes()
    assert len({os.getpgid(process.pid) for process in processes}) == 2
    await supervised.server.stop()
    assert all(map(gone, processes))


async def test_a_server_that_ignores_the_order_to_stop_is_killed(make: Make) -> None:
    supervised = make(STUBBORN, grace=0.2)
    await supervised.server.start()
    processes = supervised.processes()
    await supervised.server.stop()
    assert all(map(gone, processes))


async def test_a_server_that_ends_while_starting_is_told_with_its_last_lines(make: Make) -> None:
    with pytest.raises(StartError) as raised:
        await make(FAILS).server.start()
    assert str(raised.value) == (
        "Engine ended with exit code 3 while starting; its last lines: loading | no memory left"
    )


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def ready() -> bool:
        return False

    command = Command(["/nowhere/engine"], {}, tmp_path)
    server = ChildServer("Engine", lambda: command, ready, start_timeout=10)
    with pytest.raises(StartError, match="/nowhere/engine cannot be run: No such file"):
        await server.start()
    await server.stop()


async def test_a_server_that_is_not_ready_in_time_is_told_with_its_last_lines(make: Make) -> None:
    async def never() -> bool:
        return False

    supervised = make(ready=never, start_timeout=3)
    with pytest.raises(StartError, match=r"'start_timeout': Engine was not ready within 3 s; .*lo"):
        await supervised.server.start()


async def test_the_deadline_holds_when_the_question_itself_hangs(make: Make) -> None:
    async def hangs() -> bool:
        await asyncio.Event().wait()
        return True

    with pytest.raises(StartError, match=r"was not ready within 0\.3 s"):
        await make(ready=hangs, start_timeout=0.3).server.start()


async def test_a_readiness_check_may_give_up(make: Make) -> None:
    async def give_up() -> bool:
        raise StartError("this is another model")

    with pytest.raises(StartError, match="another model"):
        await make(ready=give_up).server.start()


async def test_stop_is_safe_before_and_during_a_start(make: Make) -> None:
    supervised = make(SLEEP)
    await supervised.server.stop()
    starting = asyncio.create_task(supervised.server.start())
    await until(lambda: supervised.starts == 1, "is starting")
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await supervised.server.stop()
    assert not [each for each in psutil.Process().children(recursive=True) if is_of(each, SLEEP)]
