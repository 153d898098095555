"""Controls: backends without a model, which show what client and API cost, and do not compete."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError

from benchmarks.report.cells import Cell, Group
from benchmarks.report.metrics import END_TO_END, RATE, TTFT
from benchmarks.report.wording import joined, number, seconds_text
from benchmarks.results.schema import Outcome, Result, Subject
from services._backends import backends, load

MUCH = 0.1
"""Share of the time that was set; if more is added, machine or client are slow."""


class SetTimes(BaseModel):
    """The `engine_args` of a control, in seconds."""

    ttft: float = 0
    itl: float = 0


def is_control(subject: Subject) -> bool:
    """Returns whether it is a backend of this repository that loads no weights."""
    name = subject.engine or ""
    return name in backends() and not load(name)[1].loads_weights


def competes(cell: Cell) -> bool:
    return not any(is_control(run.result.subject) for run in cell.runs)


def control_sentences(group: Group) -> list[str]:
    """Returns for each control what it was told and what was seen of it: how far client and machine
    can be believed."""
    cells: dict[str, list[Cell]] = {}
    for cell in group.measured:
        if not competes(cell):
            cells.setdefault(cell.backend, []).append(cell)
    return [_sentence(backend, own) for backend, own in cells.items()]


def _sentence(backend: str, cells: Sequence[Cell]) -> str:
    times = _set_times(cells[0].valid[0].subject.settings)
    if not times.ttft and not times.itl:
        seen = joined([f"{_ms(cell)} at {cell.load}" for cell in cells])
        return (
            f"{backend} is the control: it computes nothing and waits for nothing. Its first token "
            f"after {seen} is what client, API and machine cost."
        )
    whole = [(cell, _expected(times, cell.valid[0]), spread.median / 1000)
             for cell in cells if (spread := cell.spread(END_TO_END)) is not None]  # fmt: skip
    setting = (
        f"{backend} is the control: it computes nothing. It was told to take "
        f"{seconds_text(times.ttft)} to the first token and {seconds_text(times.itl)} to each "
        f"further one"
    )
    if not whole:
        return f"{setting}; none of its requests ended."
    seen = joined([f"{seconds_text(got)} at {cell.load}" for cell, _, got in whole])
    added = max((got - expected) / expected for _, expected, got in whole)
    extra = max(got - expected for _, expected, got in whole)
    rate = cells[-1].spread(RATE)
    at = f", at {number(rate.median)} tokens/s" if rate is not None else ""
    return (
        f"{setting}, so {seconds_text(whole[-1][1])} to an answer; its users saw {seen}{at}. "
        f"Client, API and machine added up to {seconds_text(max(extra, 0))} ({max(added, 0):.1%}): "
        + (
            "much. This machine or its client is slow, and only differences well above that are "
            "the engines'."
            if added > MUCH
            else "differences between engines below that are not to be believed."
        )
    )


def _ms(cell: Cell) -> str:
    spread = cell.spread(TTFT)
    return "an unknown time" if spread is None else f"{number(spread.median)} ms"


def _set_times(settings: Mapping[str, str]) -> SetTimes:
    try:
        return SetTimes.model_validate_json(settings.get("engine_args", "{}"))
    except ValidationError:
        return SetTimes()


def _expected(times: SetTimes, result: Result) -> float:
    """Returns the seconds that an answer of the mean length was told to take."""
    answered = result.plateau.outcomes.get(Outcome.OK, 0)
    tokens = result.plateau.output_tokens / answered if answered else 1
    return times.ttft + (tokens - 1) * times.itl
