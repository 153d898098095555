"""Two reports side by side: what an upgrade has changed."""

from collections.abc import Sequence

from benchmarks.report.cells import Cell, Group
from benchmarks.report.metrics import METRICS, Metric, differ
from benchmarks.report.tables import Table, Value
from benchmarks.results.schema import Result

HEAD = ("backend", "load", "metric", "before", "after", "change, %", "shown")


def compare(before: Sequence[Group], after: Sequence[Group]) -> Table:
    """Cells of equal condition, backend and level. A difference is shown where the spreads are
    apart; a cell of one side alone is named."""
    old, new = _by_key(before), _by_key(after)
    rows: list[tuple[Value, ...]] = []
    for key in [*old, *(key for key in new if key not in old)]:
        if key in old and key in new:
            rows += _changes(old[key], new[key])
        else:
            cell, where = (old[key], "before") if key in old else (new[key], "after")
            rows.append((cell.backend, cell.load, "", None, None, None, f"only {where}"))
    return Table("Before and after", HEAD, tuple(rows))


def _by_key(groups: Sequence[Group]) -> dict[tuple[str, str, float], Cell]:
    return {
        (group.condition.key, cell.backend, cell.level): cell
        for group in groups
        for cell in group.measured
    }


def _changes(old: Cell, new: Cell) -> list[tuple[Value, ...]]:
    return [row for metric in METRICS if (row := _change(old, new, metric)) is not None]


def _unequal(old: Cell, new: Cell) -> str:
    """What else has changed, which may be why."""
    prompts, machines = (
        [{get(result) for result in cell.valid} for cell in (old, new)] for get in (_hash, _machine)
    )
    other = ["prompts"] if prompts[0] != prompts[1] else []
    other += ["machine"] if machines[0] != machines[1] else []
    return f" (other {' and '.join(other)})" if other else ""


def _hash(result: Result) -> tuple[str, ...]:
    return (result.prompts.hash,)


def _machine(result: Result) -> tuple[str, ...]:
    return (result.environment.host, *result.environment.gpus)


def _change(old: Cell, new: Cell, metric: Metric) -> tuple[Value, ...] | None:
    one, other = old.uncertainty(metric), new.uncertainty(metric)
    if one is None or other is None:
        return None
    change = 100 * (other.median / one.median - 1) if one.median else None
    verdict = "no difference shown"
    if differ(one, other):
        better = (other.median > one.median) == (metric.better == "high")
        verdict = "better" if better else "worse"
    verdict += _unequal(old, new)
    name = f"{metric.title}, {metric.unit}"
    return (new.backend, new.load, name, one, other, change, verdict)
