"""The watch over SGLang's processes."""

import asyncio
import os
import subprocess
import sys

import pytest

from services._sglang.processes import ExitWatcher
from tests.limits import DEADLINE


@pytest.mark.parametrize("code", [0, 1])
async def test_any_end_of_a_process_is_noticed_at_once(code: int) -> None:
    """SGLang's own watch lets an exit code of 0 pass."""
    ended = asyncio.Event()
    lasting, ending = processes("import time; time.sleep(60)", f"input(); raise SystemExit({code})")
    with lasting, ending:
        watch = ExitWatcher([lasting.pid, ending.pid], ended.set)
        assert ending.stdin is not None
        ending.stdin.write(b"\n")
        ending.stdin.close()
        await asyncio.wait_for(ended.wait(), DEADLINE)
        watch.close()
        lasting.kill()


async def test_a_closed_watch_is_silent() -> None:
    (ending,) = processes("pass")
    with ending:
        watch = ExitWatcher([ending.pid], lambda: pytest.fail("it was closed"))
        watch.close()
        ending.wait()
        await asyncio.sleep(0)


async def test_a_process_that_is_gone_already_is_told_too() -> None:
    (gone,) = processes("pass")
    with gone:
        gone.wait()
    ended = asyncio.Event()
    ExitWatcher([os.getpid(), gone.pid], ended.set)
    assert await asyncio.wait_for(ended.wait(), DEADLINE)


def processes(*code: str) -> list[subprocess.Popen[bytes]]:
    return [subprocess.Popen([sys.executable, "-c", each], stdin=subprocess.PIPE) for each in code]
