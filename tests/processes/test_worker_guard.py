"""The guard ends what a worker leaves behind, and only that."""

import os
import signal
import subprocess
import sys
import uuid

import psutil
import pytest

from common.processes.worker_guard import MARK, end_all, inherited, main
from tests.limits import DEADLINE
from tests.service_process import eventually

SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); {SLEEP}"
)
PARENT = """
import os, subprocess, sys, time
environment = {k: v for k, v in os.environ.items() if k != sys.argv[1]}
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
print(subprocess.Popen(sleep, stdout=subprocess.DEVNULL, start_new_session=True).pid)
print(subprocess.Popen(sleep, stdout=subprocess.DEVNULL, env=environment).pid, flush=True)
time.sleep(60)
"""
NO_SESSION = 2**22 + 1
"""Above the largest process id."""


def start(code: str, mark: str | None) -> subprocess.Popen[str]:
    environment = dict(os.environ) if mark is None else {**os.environ, MARK: mark}
    return subprocess.Popen(
        [sys.executable, "-c", code, MARK],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_what_a_killed_worker_leaves_is_ended_by_its_mark_or_its_session() -> None:
    mark = uuid.uuid4().hex
    worker = start(PARENT, mark)
    out_of_session, without_mark = (psutil.Process(int(line(worker))) for _ in range(2))
    assert {out_of_session, without_mark} <= set(inherited(worker.pid, mark))
    assert without_mark not in set(inherited(NO_SESSION, mark))
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    main(worker.pid, mark)
    eventually(lambda: gone(out_of_session) and gone(without_mark), DEADLINE, "both are gone")


def test_other_processes_are_left_alone() -> None:
    other, unmarked = start(SLEEP, uuid.uuid4().hex), start(SLEEP, None)
    end_all(NO_SESSION, uuid.uuid4().hex)
    assert other.poll() is None
    assert unmarked.poll() is None
    end(other)
    end(unmarked)


def test_it_waits_for_as_long_as_the_worker_lives() -> None:
    mark = uuid.uuid4().hex
    worker, child = start(SLEEP, None), start(SLEEP, mark)
    guard = subprocess.Popen(
        [sys.executable, "-m", "common.processes.worker_guard", str(worker.pid), mark]
    )
    with pytest.raises(subprocess.TimeoutExpired):
        guard.wait(0.5)
    assert child.poll() is None
    end(worker)
    assert child.wait(DEADLINE) == -signal.SIGTERM
    assert guard.wait(DEADLINE) == 0
    end(child)


def test_a_process_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.processes.worker_guard.GRACE", 0.2)
    mark = uuid.uuid4().hex
    stubborn = start(STUBBORN, mark)
    line(stubborn)
    end_all(NO_SESSION, mark)
    assert not psutil.pid_exists(stubborn.pid)
    end(stubborn)


def test_a_process_that_ends_by_itself_meanwhile_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark = uuid.uuid4().hex
    gone, left = start(SLEEP, mark), start(SLEEP, mark)
    ended = psutil.Process(gone.pid)
    gone.kill()
    gone.wait()
    found = [[ended, psutil.Process(left.pid)], []]
    monkeypatch.setattr(
        "common.processes.worker_guard.inherited", lambda session, mark: found.pop(0)
    )
    with gone, left:
        end_all(NO_SESSION, mark)
        assert not psutil.pid_exists(left.pid)
