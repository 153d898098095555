"""Conditions beside each other: what a system prompt, a scheme or another model changes."""

from collections.abc import Sequence

from benchmarks.report.cells import Cell, Group
from benchmarks.report.conditions import Condition
from benchmarks.report.metrics import RATE, TTFT
from benchmarks.report.tables import Table, Value

PAIR = 2


def side_by_side(groups: Sequence[Group]) -> Table:
    """Returns a row for each backend and load that several conditions have, with the figures of all
    conditions in columns, and of two by how much the second differs from the first."""
    measured = [group for group in groups if group.measured]
    names = _names([group.condition for group in measured])
    cells: dict[tuple[str, float, str], dict[int, Cell]] = {}
    for number, group in enumerate(measured):
        for cell in group.measured:
            cells.setdefault((cell.backend, cell.level, cell.load), {})[number] = cell
    head = ["backend", "load"]
    for metric in (RATE, TTFT):
        head += [f"{metric.unit if metric is RATE else 'TTFT, ms'}: {name}" for name in names]
        head += ["change, %"] if len(names) == PAIR else []
    rows = [
        (backend, load, *_figures(own, len(measured)))
        for (backend, _, load), own in sorted(cells.items(), key=lambda each: each[0][:2])
        if len(own) > 1
    ]
    return Table("Conditions side by side", tuple(head), tuple(rows))


def _figures(cells: dict[int, Cell], count: int) -> list[Value]:
    values: list[Value] = []
    for metric in (RATE, TTFT):
        spreads = [cells[n].spread(metric) if n in cells else None for n in range(count)]
        values += spreads
        known = [spread.median for spread in spreads if spread is not None]
        if count == PAIR:
            change = 100 * (known[-1] / known[0] - 1) if len(known) == PAIR and known[0] else None
            values.append(change)
    return values


def _names(conditions: Sequence[Condition]) -> list[str]:
    """Returns each condition by those of its parts in which they differ."""
    parts = [
        (each.model, each.quantization_title, each.system_prompt_title, each.shape)
        for each in conditions
    ]
    differing = [n for n in range(4) if len({each[n] for each in parts}) > 1]
    return [", ".join(each[n] for n in differing) for each in parts]
