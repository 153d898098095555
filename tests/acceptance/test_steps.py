"""Steps are run in their order, each leaves nothing behind, and what passed is not repeated."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from acceptance import prove as proving
from acceptance import run as running
from acceptance.machine import Machine
from acceptance.outcome import Outcome, add_report
from acceptance.prove import PAGE, Wish, prove
from acceptance.steps import STEPS, Step, Subject
from common.processes.descendants import is_alive
from services._proofs import Proof, read_proofs, write_proof
from services.echo import EchoEngine

HERE = Machine("gpu", "1 x NVIDIA H200", "580.1, for CUDA 13.0", "a machine")
PROOF = Proof("1", "Echo 1", "1 x NVIDIA H200", "2026-11-30", "0123456789", 7, [])
REPORT = """<testsuites><testsuite><properties><property name="engine" value="1"/></properties>
<testcase classname="tests.a" name="good"/>
<testcase classname="tests.a" name="bad"><failure message="no&#10;room">long</failure></testcase>
<testcase classname="tests.a" name="left"><skipped message="needs 2 GPUs"/></testcase>
</testsuite></testsuites>"""


def script(name: str, code: str, *after: str) -> Step:
    """A step that runs a line of Python, which may write the report."""
    return Step(
        name, name, lambda subject, report: [sys.executable, "-c", code, str(report)], after
    )


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and is_alive(psutil.Process(pid))


WRITES = f"import sys, pathlib; pathlib.Path(sys.argv[1]).write_text({REPORT!r})"
GOOD = "print('well')"
BAD = "import sys; print('no GPU here'); sys.exit(3)"


@pytest.fixture
def prove_steps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., dict[str, Outcome]]:
    """Prove echo by other steps, as at a commit, with logs in tmp_path."""

    def run(*steps: Step, commit: str = "a", again: bool = False) -> dict[str, Outcome]:
        monkeypatch.setattr(proving, "STEPS", steps)
        monkeypatch.setattr(proving, "key", lambda here, python: commit)
        python = Path(sys.executable)
        wish = Wish(python=python, only=("all",), again=again, folder=tmp_path)
        monkeypatch.setattr(proving, "steps", lambda subject, wish: steps)
        return prove("echo", HERE, wish)

    return run


def test_a_failed_step_stops_only_what_is_after_it(
    prove_steps: Callable[..., dict[str, Outcome]], tmp_path: Path
) -> None:
    outcomes = prove_steps(
        script("machine", GOOD),
        script("start", BAD, "machine"),
        script("contract", GOOD, "start"),
        script("other", GOOD, "machine"),
    )
    assert [each.status for each in outcomes.values()] == ["passed", "failed", "not run", "passed"]
    assert outcomes["start"].reasons == ["exit code 3: no GPU here"]
    page = (tmp_path / "echo" / PAGE).read_text()
    assert "# echo: 2 of 4 steps passed" in page
    assert "1 x NVIDIA H200" in page
    assert f"Log: `{tmp_path / 'echo' / 'start.log'}`" in page
    assert "- start has not passed" in page


def test_what_passed_is_repeated_only_for_other_code_or_when_asked(
    prove_steps: Callable[..., dict[str, Outcome]], tmp_path: Path
) -> None:
    counted = tmp_path / "count"
    code = f"open({str(counted)!r}, 'a').write('x')"
    chain = (script("machine", GOOD), script("start", code, "machine"))
    for commit, again, runs in (("a", False, 1), ("a", False, 1), ("b", False, 2), ("b", True, 3)):
        prove_steps(*chain, commit=commit, again=again)
        assert len(counted.read_text()) == runs
    broken = (script("machine", GOOD), script("start", code + "; 1 / 0", "machine"))
    for runs in (4, 5):
        prove_steps(*broken, commit="c")
        assert len(counted.read_text()) == runs


def test_a_step_leaves_no_process_and_no_file_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(running, "GRACE", 0.5)
    subject = Subject("echo", Path(sys.executable))
    code = (
        "import os, subprocess, sys, tempfile; print(tempfile.mkdtemp());"
        "print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)"
    )
    outcome = running.run(script("start", code), subject, tmp_path)
    folder, pid = (tmp_path / "start.log").read_text().split()
    assert not os.path.exists(folder)
    assert not is_running(int(pid))
    assert outcome.reasons == ["left behind: sleep"]


def test_a_step_has_a_limit(tmp_path: Path) -> None:
    step = replace(script("start", "import time; time.sleep(600)"), limit=0.5)
    outcome = running.run(step, Subject("echo", Path(sys.executable)), tmp_path)
    assert outcome.reasons == ["not done within 0.5 s: it said nothing"]


def test_a_report_says_what_passed_failed_and_was_skipped(tmp_path: Path) -> None:
    outcome = running.run(script("start", WRITES), Subject("echo", Path(sys.executable)), tmp_path)
    assert outcome.status == "failed"
    assert (outcome.tests, outcome.skipped) == (1, {"needs 2 GPUs": 1})
    assert outcome.reasons == ["tests.a::bad: no room"]
    assert outcome.facts == {"engine": "1"}
    bad = REPORT.index('<testcase classname="tests.a" name="good"')
    skipped = REPORT[:bad] + REPORT[REPORT.rindex("<testcase") :]
    writes = f"import sys, pathlib; pathlib.Path(sys.argv[1]).write_text({skipped!r})"
    outcome = running.run(script("start", writes), Subject("echo", Path(sys.executable)), tmp_path)
    assert outcome.status == "not here"
    add_report(silent := Outcome("passed"), tmp_path / "none.xml")
    assert silent == Outcome("passed")


def test_steps_come_after_what_they_need() -> None:
    names = [step.name for step in STEPS]
    for step in STEPS:
        assert all(names.index(each) < names.index(step.name) for each in step.after)


@pytest.mark.parametrize("backend", ["echo", "mlc", "vllm"])
def test_a_backend_has_the_steps_that_apply_to_it(backend: str) -> None:
    subject = Subject(backend, Path(sys.executable))
    names = {step.name for step in proving.steps(subject, Wish())}
    assert ("questions" in names) == (backend != "echo")
    assert ("build" in names) == (backend == "mlc")
    assert ("engine" in names) == (backend != "echo")
    only = proving.steps(subject, Wish(python=Path("python"), only=("start",)))
    assert {step.name for step in only} - {"build"} == {"machine", "start"}


def test_a_proof_is_kept_for_each_kind_of_machine(tmp_path: Path) -> None:
    folder = tmp_path / "proofs"
    assert read_proofs("echo", folder) == {}
    write_proof("echo", "gpu", PROOF, folder)
    write_proof("echo", "cpu", replace(PROOF, machine='a "CPU"', failed=["load"]), folder)
    newer = replace(PROOF, tests=8)
    write_proof("echo", "gpu", newer, folder)
    proofs = read_proofs("echo", folder)
    assert proofs["gpu"] == newer
    assert proofs["cpu"].machine == 'a "CPU"'


def test_the_table_says_of_which_version_a_proof_is() -> None:
    assert PROOF.cell(EchoEngine.release) == (
        "Echo 1 on 1 x NVIDIA H200, 2026-11-30, commit 01234567: 7 tests passed"
    )
    assert "by the adapter for 1:" in PROOF.cell("2")
    assert PROOF.cell("1") != replace(PROOF, failed=["load"]).cell("1")


def test_an_outcome_is_kept_as_json(
    prove_steps: Callable[..., dict[str, Outcome]], tmp_path: Path
) -> None:
    outcomes = prove_steps(script("machine", GOOD))
    kept = json.loads((tmp_path / "echo" / proving.STATE).read_text())
    assert Outcome(**kept["machine"]) == outcomes["machine"]
