"""Proves one backend: its steps in their order, those that passed before left out."""

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from acceptance.machine import Machine, code_version, environment_python, key, versions
from acceptance.outcome import Outcome
from acceptance.page import page
from acceptance.run import run
from acceptance.steps import ROOT, STEPS, Step, Subject
from services._backends import load
from services._proofs import Proof, write_proof

FOLDER = ROOT / "proofs"
"""Logs, reports and pages; git ignores it."""
STATE, PAGE = "state.json", "page.md"
HERE = ("environment", "machine")
"""Steps whose failure means that the backend cannot run on this machine."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for. `python` is that of `--environment`, None for our own."""

    python: Path | None = None
    only: Collection[str] = ()
    select: str | None = None
    again: bool = False
    folder: Path = FOLDER

    @property
    def whole(self) -> bool:
        """Whether the backend is proved by it, and not a part."""
        return not self.only and self.select is None


def prove(backend: str, here: Machine, wish: Wish) -> dict[str, Outcome]:
    """Returns how each step ended; writes the page, and the record of a whole proof."""
    folder = wish.folder / backend
    folder.mkdir(parents=True, exist_ok=True)
    before = {} if wish.again else _read(folder / STATE)
    subject, name = Subject(backend, wish.python or Path(sys.executable), wish.select), ""
    outcomes: dict[str, Outcome] = {}
    for step in steps(subject, wish):
        outcome = _known(step, outcomes, before.get(step.name), name)
        outcome = outcome or replace(_run(step, subject, folder), key=name)
        outcomes[step.name] = outcome
        _write(folder / STATE, {**before, **outcomes})
        if not name and outcome.status == "passed":
            # Only now is it known which interpreter has the engine.
            python = wish.python or environment_python(backend, ROOT)
            subject, name = replace(subject, python=python), key(here, python) + (wish.select or "")
    _conclude(subject, here, wish, folder, outcomes)
    return outcomes


def _known(
    step: Step, outcomes: Mapping[str, Outcome], before: Outcome | None, name: str
) -> Outcome | None:
    """Returns how a step ends that need not be run, None for one that has to be."""
    for each in step.after:
        if each in outcomes and outcomes[each].status != "passed":
            return Outcome("not run", name, reasons=[f"{each} has not passed"])
    repeats = before is None or before.status != "passed" or not name or before.key != name
    return None if repeats else before


def _run(step: Step, subject: Subject, folder: Path) -> Outcome:
    _say(f"{subject.backend}: {step.name}: {step.title} ...")
    outcome = run(step, subject, folder)
    _say(f"{subject.backend}: {step.name}: {outcome.status} after {outcome.seconds:.0f} s")
    return outcome


def steps(subject: Subject, wish: Wish) -> list[Step]:
    """Returns the steps to take: those asked for, and what they are after."""
    names = {step.name for step in STEPS if not wish.only or step.name in wish.only}
    for step in reversed(STEPS):
        if step.name in names:
            names |= set(step.after)
    given = wish.python is not None
    return [
        step
        for step in STEPS
        if step.name in names
        and step.applies(subject)
        and not (given and step.name == "environment")
    ]


def runs_here(outcomes: dict[str, Outcome]) -> bool:
    """Returns whether the machine has what the backend needs."""
    return all(outcomes[name].status == "passed" for name in HERE if name in outcomes)


def failed(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Returns the names of steps that failed, or could not be tried for one that did."""
    return [name for name, each in outcomes.items() if each.status in ("failed", "not run")]


def _conclude(
    subject: Subject, here: Machine, wish: Wish, folder: Path, outcomes: dict[str, Outcome]
) -> None:
    """Write the page, and the record of a backend that was started."""
    facts = {"python": str(subject.python), **versions(subject.python)}
    code, date = code_version(), datetime.now(UTC).date().isoformat()
    text = page(subject.backend, here, code, date, facts, outcomes, folder)
    (folder / PAGE).write_text(text, "utf-8")
    start = outcomes.get("start")
    if not wish.whole or start is None or "engine" not in start.facts:
        return
    engine = load(subject.backend)[1]
    proof = Proof(
        release=engine.release,
        engine=f"{engine.title} {start.facts['engine']}",
        machine=here.name,
        date=date,
        commit=code,
        tests=sum(each.tests for each in outcomes.values()),
        failed=failed(outcomes),
    )
    _say(f"{subject.backend}: recorded in {write_proof(subject.backend, here.kind, proof)}")


def _read(file: Path) -> dict[str, Outcome]:
    if not file.exists():
        return {}
    return {name: Outcome(**values) for name, values in json.loads(file.read_text("utf-8")).items()}


def _write(file: Path, outcomes: dict[str, Outcome]) -> None:
    values = {name: asdict(outcome) for name, outcome in outcomes.items()}
    file.write_text(json.dumps(values, indent=1) + "\n", "utf-8")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
