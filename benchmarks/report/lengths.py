"""How long the prompts and the answers were, as histograms."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import altair

from benchmarks.report.cells import Cell, Group
from benchmarks.report.drawing import WIDTH, Figure, Marks, colour, data, rows_of
from benchmarks.results.files import REQUESTS, Unreadable, requests
from benchmarks.results.schema import Outcome

BINS = 24
HEAD = {"backend": "backend", "what": "what", "from": "tokens from", "to": "to",
        "share": "% of the requests"}  # fmt: skip


def mean_lengths(group: Group) -> str:
    """Returns "prompts of 60 tokens and answers of 100 in the mean"; nothing if unknown."""
    plateaus = [result.plateau for cell in group.measured for result in cell.valid]
    answered = sum(plateau.outcomes.get(Outcome.OK, 0) for plateau in plateaus)
    prompts = sum(plateau.prompt_tokens for plateau in plateaus)
    answers = sum(plateau.output_tokens for plateau in plateaus)
    if not answered or not prompts or not answers:
        return ""
    return (
        f"prompts of {prompts / answered:.0f} tokens and answers of {answers / answered:.0f} "
        "in the mean"
    )


def length_figure(group: Group, marks: Marks) -> Figure | None:
    """Returns the lengths at the greatest load, of the first valid repeat of each backend; None
    where no requests were kept, or all were equally long."""
    lengths = {cell.backend: _lengths(cell) for cell in group.cells_at(group.levels[-1])}
    records = [*_records("prompts", {name: own[0] for name, own in lengths.items() if own[0]})]
    records += _records("answers", {name: own[1] for name, own in lengths.items() if own[1]})
    if not records:
        return None
    marks = {name: marks[name] for name in sorted({str(record["backend"]) for record in records})}
    panels = [
        _panel([each for each in records if each["what"] == what], what, marks, legend=number == 0)
        for number, what in enumerate(dict.fromkeys(record["what"] for record in records))
    ]
    return Figure(
        key=f"lengths-{group.condition.key}",
        title=f"Lengths of prompts and answers, {group.cells_at(group.levels[-1])[0].load}",
        caption="Of the requests that ended well in the first valid repeat; all phases of the run.",
        chart=altair.vconcat(*panels, spacing=8).resolve_scale(color="independent"),
        head=tuple(HEAD.values()),
        rows=rows_of(records, HEAD),
    )


def _lengths(cell: Cell) -> tuple[list[int], list[int]]:
    """Returns the tokens of the prompts and of the answers."""
    run = next(run for run in cell.runs if run.result.verdict.valid)
    prompts: list[int] = []
    answers: list[int] = []
    if run.folder is None or not (run.folder / REQUESTS).exists():
        return prompts, answers
    try:
        for each in requests(Path(run.folder)):
            if each.outcome is Outcome.OK:
                prompts += [each.prompt_tokens] if each.prompt_tokens is not None else []
                answers += [each.output_tokens] if each.output_tokens is not None else []
    except Unreadable:
        return [], []
    return prompts, answers


def _records(what: str, lengths: dict[str, Sequence[int]]) -> Iterator[dict[str, Any]]:
    """Yields the share of each bin; nothing where all are equally long."""
    everything = [length for own in lengths.values() for length in own]
    if not everything or min(everything) == max(everything):
        return
    low = min(everything)
    width = max(1, -(-(max(everything) + 1 - low) // BINS))
    for backend, own in lengths.items():
        counts = Counter((length - low) // width for length in own)
        for number in range(max(counts) + 1):
            start = low + number * width
            share = 100 * counts[number] / len(own)
            yield {"backend": backend, "what": what, "from": start, "to": start + width,
                   "share": share}  # fmt: skip


def _panel(records: list[dict[str, Any]], what: str, marks: Marks, *, legend: bool) -> Any:
    return (
        altair.Chart(data(records))
        .mark_line(interpolate="step-after", strokeWidth=1.75)
        .encode(
            x=altair.X("from:Q", title=f"tokens of the {what}", scale=altair.Scale(zero=False)),
            y=altair.Y("share:Q", title="%", axis=altair.Axis(tickCount=3)),
            color=colour(marks, legend=legend),
        )
        .properties(width=WIDTH, height=90)
    )
