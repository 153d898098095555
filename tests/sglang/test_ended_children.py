"""The watch over SGLang's processes."""

import asyncio
import os
import subprocess
import sys

import pytest

from common.processes.exits import exit_of, exit_words
from services._sglang.processes import ExitWatcher
from tests.limits import DEADLINE


@pytest.mark.parametrize("code", [0, 1])
async def test_any_end_of_a_process_is_noticed_at_once(code: int) -> None:
    """SGLang's own watch lets an exit code of 0 pass."""
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    lasting, ending = processes("import time; time.sleep(60)", f"input(); raise SystemExit({code})")
    with lasting, ending:
        pids = [lasting.pid, ending.pid]
        watch = ExitWatcher(pids, lambda pid: ended.set_result(exit_of(pid)))
        assert ending.stdin is not None
        ending.stdin.write(b"\n")
        ending.stdin.close()
        assert await asyncio.wait_for(ended, DEADLINE) == f": exit code {code}"
        watch.close()
        lasting.kill()


async def test_a_closed_watch_is_silent() -> None:
    (ending,) = processes("pass")
    with ending:
        watch = ExitWatcher([ending.pid], lambda _: pytest.fail("it was closed"))
        watch.close()
        ending.wait()
        await asyncio.sleep(0)


async def test_a_process_that_is_gone_already_is_told_too() -> None:
    (gone,) = processes("pass")
    with gone:
        gone.wait()
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    ExitWatcher([os.getpid(), gone.pid], ended.set_result)
    assert await asyncio.wait_for(ended, DEADLINE) == gone.pid
    assert exit_of(gone.pid) == "", "its parent knows it, and nobody else"


def processes(*code: str) -> list[subprocess.Popen[bytes]]:
    return [subprocess.Popen([sys.executable, "-c", each], stdin=subprocess.PIPE) for each in code]


def test_a_code_below_0_is_a_signal() -> None:
    assert [exit_words(code) for code in (0, 3, -9, -200)] == [
        "exit code 0",
        "exit code 3",
        "signal SIGKILL",
        "signal 200",
    ]
