"""How a step ended, and what its report says."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

Status = Literal["passed", "failed", "not run", "not here"]


@dataclass(slots=True)
class Outcome:
    """A step is "not run" after one that did not pass, and "not here" where all of its tests were
    skipped. `key` names what was proved: commit, machine and environment. Times are in seconds.

    `reasons` say why a step did not pass, one line each; `skipped` has a reason and its number of
    tests; `facts` is what the tests wrote down.
    """

    status: Status
    key: str = ""
    seconds: float = 0.0
    tests: int = 0
    reasons: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)


def add_report(outcome: Outcome, report: Path) -> None:
    """Adds what a report of JUnit says, where there is one."""
    if not report.exists():
        return
    # The report is pytest's own.
    root = ElementTree.parse(report).getroot()  # noqa: S314
    for each in root.iter("property"):
        outcome.facts[each.attrib["name"]] = each.attrib["value"]
    for case in root.iter("testcase"):
        wrong = [*case.iter("failure"), *case.iter("error")]
        skips = [each.attrib.get("message", "") for each in case.iter("skipped")]
        for reason in skips:
            outcome.skipped[reason] = outcome.skipped.get(reason, 0) + 1
        if wrong:
            name = f"{case.attrib.get('classname', '')}::{case.attrib['name']}"
            said = " ".join(wrong[0].attrib.get("message", "").split())
            outcome.reasons.append(f"{name}: {said[:200]}")
        outcome.tests += not wrong and not skips
