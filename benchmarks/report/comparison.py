"""Two sets of results side by side: what an upgrade has changed."""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.report.cells import Cell, Group
from benchmarks.report.metrics import METRICS, Metric, differ
from benchmarks.report.tables import Table, Value

HEAD = ("backend", "load", "metric", "condition", "before", "after", "change, %", "shown")
NO_DIFFERENCE = "no difference shown"


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
            rows.append(
                (
                    cell.backend,
                    cell.load,
                    "",
                    cell.condition.title,
                    None,
                    None,
                    None,
                    f"only {side}",
                )
            )
    return Table("Before and after", HEAD, tuple(rows))


def by_change(table: Table) -> tuple[Table, Table]:
    """Returns what changed, the greatest change first, and where no difference is shown."""
    same = [row for row in table.rows if str(row[-1]).startswith(NO_DIFFERENCE)]
    changed = [row for row in table.rows if row not in same]
    changed.sort(key=lambda row: -abs(row[-2]) if isinstance(row[-2], float) else 0.0)
    return replace(table, rows=tuple(changed)), replace(table, rows=tuple(same))


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
    before, after = (
        {result.subject.repeat: result.prompts.hash for result in cell.valid} for cell in (old, new)
    )
    common = before.keys() & after.keys()
    other = ["prompts"] if any(before[each] != after[each] for each in common) else []
    other += ["repeats"] if before.keys() != after.keys() else []
    other += ["machine"] if old.machines != new.machines else []
    return f" (other {' and '.join(other)})" if other else ""


def _change(old: Cell, new: Cell, metric: Metric) -> tuple[Value, ...] | None:
    earlier, later = old.uncertainty(metric), new.uncertainty(metric)
    if earlier is None or later is None:
        return None
    change = 100 * (later.median / earlier.median - 1) if earlier.median else None
    verdict = NO_DIFFERENCE
    if differ(earlier, later):
        better = (later.median > earlier.median) == (metric.better == "high")
        verdict = "better" if better else "worse"
    verdict += _unequal(old, new)
    name = f"{metric.title}, {metric.unit}"
    return (new.backend, new.load, name, new.condition.title, earlier, later, change, verdict)
