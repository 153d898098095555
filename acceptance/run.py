"""Runs one step in a process group of its own, and leaves nothing of it behind."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from acceptance.outcome import Outcome, add_report
from acceptance.steps import BUILDERS, ROOT, Step, Subject
from common.processes.marks import kill_marked, marked_processes, new_mark

MARK = "LLM_PROVE_MARK"
"""In the environment of a step and of all that it starts."""
GRACE = 15.0
"""Seconds in which a step's processes may end by themselves once it has ended."""
LAST_LINES = 3


def run(step: Step, subject: Subject, folder: Path) -> Outcome:
    """Returns how the step ended. Its log and report are in `folder`, under its name."""
    report, log = folder / f"{step.name}.xml", folder / f"{step.name}.log"
    report.unlink(missing_ok=True)
    mark, scratch = new_mark(), tempfile.mkdtemp(prefix="prove-")
    began = time.monotonic()
    try:
        with log.open("wb") as output:
            reason = _wait(
                step, subject, report, output.fileno(), environment(subject, mark, scratch)
            )
        left = _left_behind(mark)
    finally:
        kill_marked(MARK, mark, GRACE)
        shutil.rmtree(scratch, ignore_errors=True)
    outcome = Outcome("passed", seconds=time.monotonic() - began)
    add_report(outcome, report)
    if reason is not None and not outcome.reasons:
        outcome.reasons.append(f"{reason}: {last_lines(log)}")
    if left:
        outcome.reasons.append(f"left behind: {', '.join(left)}")
    if outcome.reasons:
        outcome.status = "failed"
    elif outcome.skipped and not outcome.tests:
        outcome.status = "not here"
    return outcome


def environment(subject: Subject, mark: str, scratch: str) -> Mapping[str, str]:
    """Returns that of a step: as scripts/serve has it, and temporary files go to `scratch`."""
    path = (os.environ.get("PATH", os.defpath), str(subject.python.parent))
    values = {
        **os.environ,
        MARK: mark,
        "TMPDIR": scratch,
        "PATH": os.pathsep.join(path),
        "BENTOML_DO_NOT_TRACK": "True",
        "LLM_TEST_ALL": "1",
        "LLM_TEST_REAL": subject.backend,
        "LLM_TEST_PYTHON": str(subject.python),
    }
    return values | ({"ENGINE_DIR": "auto"} if subject.backend in BUILDERS else {})


def last_lines(log: Path) -> str:
    """Returns the end of a log as one line."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    return " | ".join(list(filter(None, lines))[-LAST_LINES:]) or "it said nothing"


def _wait(
    step: Step, subject: Subject, report: Path, output: int, values: Mapping[str, str]
) -> str | None:
    """Returns why the step's command did not end well, None where it did."""
    process = subprocess.Popen(
        step.command(subject, report),
        cwd=ROOT,
        env=values,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        code = process.wait(step.limit)
    except subprocess.TimeoutExpired:
        return f"not done within {step.limit:g} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return None if code == 0 else f"exit code {code}"


def _left_behind(mark: str) -> list[str]:
    """Returns the names of processes that outlive the step."""
    deadline = time.monotonic() + GRACE
    while left := [process.name() for process in marked_processes(MARK, mark)]:
        if time.monotonic() > deadline:
            return left
        time.sleep(0.1)
    return []
