"""Two sets of results side by side: what an upgrade has changed."""

from collections.abc import Sequence

from benchmarks.report.cells import Cell, Group
from benchmarks.report.metrics import METRICS, Metric, differ
from benchmarks.report.tables import Table, Value

HEAD = ("backend", "load", "metric", "before", "after", "change, %", "shown")


def compare(before: Sequence[Group], after: Sequence[Group]) -> Table:
    """Returns the changes between cells of equal condition, backend and level.

    A cell that only one side has is named.
    """
    old, new = _by_key(before), _by_key(after)
    rows: list[tuple[Value, ...]] = []
    for key in [*old, *(key for key in new if key not in old)]:
        if key in old and key in new:
            rows += _changes(old[key], new[key])
        else:
            cell, side = (old[key], "before") if key in old else (new[key], "after")
            rows.append((cell.backend, cell.load, "", None, None, None, f"only {side}"))
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
    """Names what else has changed, which may be the cause."""
    hashes = [{result.prompts.hash for result in cell.valid} for cell in (old, new)]
    other = ["prompts"] if hashes[0] != hashes[1] else []
    other += ["machine"] if old.machines != new.machines else []
    return f" (other {' and '.join(other)})" if other else ""


def _change(old: Cell, new: Cell, metric: Metric) -> tuple[Value, ...] | None:
    earlier, later = old.uncertainty(metric), new.uncertainty(metric)
    if earlier is None or later is None:
        return None
    change = 100 * (later.median / earlier.median - 1) if earlier.median else None
    verdict = "no difference shown"
    if differ(earlier, later):
        better = (later.median > earlier.median) == (metric.better == "high")
        verdict = "better" if better else "worse"
    verdict += _unequal(old, new)
    name = f"{metric.title}, {metric.unit}"
    return (new.backend, new.load, name, earlier, later, change, verdict)
