"""The whole trade-off: what all users get against what each one gets, and who is on its edge."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import altair

from benchmarks.report.cells import Cell, Group
from benchmarks.report.colours import EDGE
from benchmarks.report.conditions import UNQUANTIZED
from benchmarks.report.controls import competes
from benchmarks.report.curves import curve_chart
from benchmarks.report.drawing import Figure, Marks, data, rows_of
from benchmarks.report.metrics import ENERGY, PER_USER, PRICE, Metric, spread_of_repeats
from benchmarks.results.frontier import gpu_count
from benchmarks.results.schema import Result


def gpus_used(result: Result) -> int:
    """Returns on how many GPUs a service ran; 1 for a CPU too."""
    return gpu_count(result) or 1


PER_GPU = Metric(
    key="per_gpu",
    title="Token rate per GPU",
    unit="tokens/s",
    better="high",
    get=lambda result: result.plateau.tokens_per_second / gpus_used(result),
)


def rivals(groups: Sequence[Group]) -> list[list[Group]]:
    """Returns the groups that differ in nothing but the quantization, together."""
    together: dict[object, list[Group]] = {}
    for group in groups:
        key = replace(group.condition, quantization="")
        together.setdefault(key, []).append(group)
    return [*together.values()]


def scheme_name(cell: Cell, groups: Sequence[Group]) -> str:
    """Returns the backend, with its scheme of quantization where there are several."""
    scheme = cell.condition.quantization
    plain = len(groups) == 1 or scheme == UNQUANTIZED
    return cell.backend if plain else f"{cell.backend}, {scheme}"


def frontier(groups: Sequence[Group], marks: Marks) -> Iterator[Figure]:
    """Yields the trade-off of all schemes of one model under one load, if users were counted."""
    records = [*_records(groups)]
    if not records:
        return
    edge = _edge(records)
    for record in records:
        record["edge"] = "yes" if record in edge else ""
    titles = (
        "Tokens/s per user",
        "Tokens/s per GPU" if _has_gpu(groups) else "Tokens/s, all users",
    )
    head = {"backend": "backend", "level": "users", "y": titles[1], "x": titles[0],
            "price": f"price {PRICE.unit}", "joules": ENERGY.unit, "per_joule": "tokens per J",
            "edge": "on the frontier"}  # fmt: skip
    line = (
        altair.Chart(data(edge))
        .mark_line(strokeWidth=7, opacity=0.35, color=EDGE.light, strokeCap="round")
        .encode(x="x:Q", y="y:Q", order="x:Q")
    )
    yield Figure(
        key=f"frontier-{groups[0].condition.key}",
        title="The trade-off: all users against each user",
        caption=(
            "Medians over the repeats; the number at a point is its users. Up and to the right is "
            "better. The broad line joins the points that no other one beats in both."
        ),
        chart=curve_chart(records, titles, marks, [line] if len(edge) > 1 else []),
        head=tuple(head.values()),
        rows=rows_of(records, head),
    )


def _records(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    for group in groups:
        for cell in group.measured:
            each, every = cell.spread(PER_USER), cell.spread(PER_GPU)
            if not competes(cell) or each is None or every is None:
                continue
            joules = _median(cell.valid, ENERGY)
            yield {
                "backend": scheme_name(cell, groups),
                "level": f"{cell.level:g}",
                "order": cell.level,
                "x": each.median,
                "y": every.median,
                "price": _median(cell.valid, PRICE),
                "joules": joules,
                "per_joule": 1 / joules if joules else None,
            }


def _median(results: Sequence[Result], metric: Metric) -> float | None:
    spread = spread_of_repeats(results, metric)
    return None if spread is None else spread.median


def _edge(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the records that no other one beats in both, from the left to the right."""
    best: list[dict[str, Any]] = []
    for record in sorted(records, key=lambda each: (-each["x"], -each["y"])):
        if not best or record["y"] > best[-1]["y"]:
            best.append(record)
    return best[::-1]


def _has_gpu(groups: Sequence[Group]) -> bool:
    return any(r.environment.gpus for group in groups for c in group.measured for r in c.valid)
