"""Programs under the child guard, and the marks by which processes are found."""

import subprocess
import sys

import psutil

from common.processes.guarded import GuardedProcess
from common.processes.marks import kill_marked, marked_processes, new_mark

VARIABLE = "LLM_TEST_MARK"
WAITING = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
signal.signal(signal.SIGINT, lambda *_: sys.exit(print("interrupted", flush=True) or 7))
print(child.pid, flush=True)
time.sleep(60)
"""


async def test_an_interrupt_reaches_the_program_and_what_it_started_ends_with_it() -> None:
    process = await GuardedProcess.spawn([sys.executable, "-S", "-c", WAITING], grace=5)
    lines = process.lines()
    child = psutil.Process(int(await anext(lines)))
    assert process.returncode is None
    process.interrupt()
    assert [line async for line in lines] == [b"interrupted\n"]
    assert await process.wait() == 7
    assert not child.is_running()


async def test_a_terminated_program_ends_though_it_has_not_finished() -> None:
    process = await GuardedProcess.spawn([sys.executable, "-S", "-c", WAITING], grace=5)
    await anext(process.lines())
    process.terminate()
    assert await process.wait() != 0


async def test_a_line_that_is_too_long_is_dropped_and_the_next_ones_come() -> None:
    code = "print('x' * 3_000_000); print('short')"
    process = await GuardedProcess.spawn([sys.executable, "-S", "-c", code], grace=5)
    lines = [line async for line in process.lines()]
    await process.wait()
    assert lines[-1] == b"short\n"
    assert all(len(line) < 3_000_000 for line in lines)


def test_marked_processes_are_killed_and_others_are_not() -> None:
    mark, other = new_mark(), new_mark()
    command = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    with (
        subprocess.Popen(command, env={VARIABLE: mark}) as marked,
        subprocess.Popen(command, env={VARIABLE: other}) as unmarked,
    ):
        assert [process.pid for process in marked_processes(VARIABLE, mark)] == [marked.pid]
        assert kill_marked(VARIABLE, mark, timeout=30) == []
        assert not psutil.pid_exists(marked.pid)
        try:
            assert unmarked.poll() is None
        finally:
            unmarked.kill()
