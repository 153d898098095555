"""The pages about proofs, in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from acceptance.machine import Machine
from acceptance.outcome import Outcome


def page(
    backend: str,
    here: Machine,
    commit: str,
    date: str,
    packages: Mapping[str, str],
    outcomes: Mapping[str, Outcome],
    folder: Path,
) -> str:
    """Returns the page: what passed, on which machine, with which versions, and what did not."""
    passed = sum(outcome.status == "passed" for outcome in outcomes.values())
    facts = {
        "computes": here.name,
        "driver": here.driver,
        "machine": here.system,
        "commit": commit,
        **packages,
    }
    return "\n".join(
        [
            f"# {backend}: {passed} of {len(outcomes)} steps passed",
            "",
            f"{date}. The logs are in `{folder}`.",
            "",
            *("| step | result | tests | seconds | seen |", "|---|---|---|---|---|"),
            *(_step(name, outcome) for name, outcome in outcomes.items()),
            "",
            *("| | |", "|---|---|"),
            *(f"| {name} | {value} |" for name, value in facts.items()),
            *_failures(outcomes, folder),
            *_skips(outcomes),
            "",
        ]
    )


def summary(here: Machine, commit: str, rows: Sequence[str]) -> str:
    """Returns the page about several backends, each of which has a `row`."""
    return "\n".join(
        [
            f"# {len(rows)} backends on {here.name}",
            "",
            f"Driver: {here.driver}. Machine: {here.system}. Commit: {commit}.",
            "",
            *("| backend | result | tests | seconds |", "|---|---|---|---|"),
            *rows,
            "",
        ]
    )


def row(backend: str, result: str, outcomes: Mapping[str, Outcome]) -> str:
    """Returns the line about one backend, whose own page lies in its folder."""
    tests = sum(each.tests for each in outcomes.values())
    seconds = sum(each.seconds for each in outcomes.values())
    return f"| [{backend}]({backend}/page.md) | {result} | {tests or ''} | {seconds:.0f} |"


def _step(name: str, outcome: Outcome) -> str:
    seen = ", ".join(f"{fact}: {value}" for fact, value in outcome.facts.items())
    tests = outcome.tests or ""
    return f"| {name} | {outcome.status} | {tests} | {outcome.seconds:.0f} | {seen} |"


def _failures(outcomes: Mapping[str, Outcome], folder: Path) -> Iterator[str]:
    for name, outcome in outcomes.items():
        if outcome.reasons:
            yield from ("", f"## {name}: {outcome.status}", "")
            if outcome.status == "failed":
                yield from (f"Log: `{folder / name}.log`", "")
            yield from (f"- {reason}" for reason in outcome.reasons)


def _skips(outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    reasons: dict[str, int] = {}
    for outcome in outcomes.values():
        for reason, count in outcome.skipped.items():
            reasons[reason] = reasons.get(reason, 0) + count
    if reasons:
        yield from ("", "## Skipped tests, by their reason", "")
        yield from (f"- {count}: {reason}" for reason, count in reasons.items())
