"""What bears on the numbers of a group and cannot be seen in them, in sentences."""

from collections import Counter
from collections.abc import Sequence

from benchmarks.report.cells import Cell, Group, level_name
from benchmarks.report.controls import competes
from benchmarks.report.metrics import decay
from benchmarks.report.ranking import UNRANKED_FAILURES, failed_share, outcome_counts
from benchmarks.report.wording import joined
from benchmarks.results.fairness import token_ids_differ
from benchmarks.results.schema import Outcome

MENTIONED_FAILURES = 0.01
"""Share of the requests; fewer failures are in the table of outcomes only."""
MENTIONED_DECAY = 0.05
"""Share of the rate; a smaller decay is not mentioned."""


def remarks(group: Group) -> list[str]:
    """Returns a sentence for whatever limits what the group shows."""
    sentences = [*_other_times(group), *_decays(group), *_repeats(group)]
    if not group.same_prompts:
        sentences.append(
            "Not all backends were asked the same in the same order: do not rank by these."
        )
    results = [result for cell in group.measured for result in cell.valid]
    if (unlike := token_ids_differ(results)) is not None:
        sentences.append(f"Not all engines were asked the same token ids: {unlike}.")
    if any(len(cell.machines) > 1 for cell in group.measured):
        sentences.append("Some cells mix runs of several machines: their spread is no repeat's.")
    return [*sentences, *_failures(group), *_void(group)]


def levels_text(levels: Sequence[float], unit: str) -> str:
    """Returns "1 user" or "10, 50 and 100 users"."""
    if len(levels) == 1:
        return level_name(levels[0], unit)
    return f"{joined([f'{level:g}' for level in levels])} {unit}"


def _other_times(group: Group) -> list[str]:
    """Returns which cells were measured in another start of the study than most of the group."""
    cells = [cell for cell in group.measured if cell.other_sessions]
    if not cells:
        return []
    named = [f"{c.backend} at {c.load} (since {', '.join(c.other_sessions)})" for c in cells]
    return [
        f"Retried or resumed, so measured at another time than the rest: {joined(named)}. "
        "A difference from the others may be one of the machine."
    ]


def _decays(group: Group) -> list[str]:
    """Returns a sentence for each backend whose rate fell in every repeat."""
    fell: dict[str, list[tuple[float, float]]] = {}
    for cell in group.measured:
        decays = [value for value in map(decay, cell.valid) if value is not None]
        in_every_repeat = len(decays) == len(cell.valid) > 1
        if in_every_repeat and max(decays) < -MENTIONED_DECAY:
            fell.setdefault(cell.backend, []).append((cell.level, -max(decays)))
    return [
        f"The rate of {backend} fell by {min(by for _, by in levels):.0%} or more from the first "
        f"to the last third of the plateau, in every repeat at "
        f"{levels_text([level for level, _ in levels], group.unit)}."
        for backend, levels in fell.items()
    ]


def _repeats(group: Group) -> list[str]:
    counts = {len(cell.valid) for cell in group.measured if competes(cell)}
    sentences = []
    if 1 in counts:
        sentences.append(
            "Some cells were measured once: their spread is that between the windows of the run, "
            "and says nothing of how another run would differ."
        )
    if 2 in counts:
        sentences.append(
            "Some cells were measured twice: two repeats show little of the real spread."
        )
    return sentences


def _failures(group: Group) -> list[str]:
    """Returns warnings: latencies are of what ended well, so who fails a lot may look fast."""
    cells: dict[str, list[Cell]] = {}
    for cell in group.measured:
        if failed_share(cell) > MENTIONED_FAILURES:
            cells.setdefault(cell.backend, []).append(cell)
    return [_failure(backend, own, group.unit) for backend, own in cells.items()]


def _failure(backend: str, cells: Sequence[Cell], unit: str) -> str:
    outcomes = sum((outcome_counts(cell) for cell in cells), Counter[Outcome]())
    bad = {outcome: n for outcome, n in outcomes.items() if outcome is not Outcome.OK}
    kinds = ", ".join(f"{n} {outcome.replace('_', ' ')}" for outcome, n in bad.items())
    unranked = [cell.level for cell in cells if failed_share(cell) > UNRANKED_FAILURES]
    end = f"; at {levels_text(unranked, unit)} it is not ranked" if unranked else ""
    return (
        f"{backend} at {levels_text([cell.level for cell in cells], unit)}: {sum(bad.values())} of "
        f"{sum(outcomes.values())} requests did not end well ({kinds}), and its latencies are "
        f"those of the others{end}."
    )


def _void(group: Group) -> list[str]:
    """Returns whose runs are void; why, is in the cells and in the table of the client."""
    levels: dict[str, list[float]] = {}
    for cell in group.cells:
        if cell.void:
            levels.setdefault(cell.backend, []).append(cell.level)
    if not levels:
        return []
    count = sum(len(cell.void) for cell in group.cells)
    named = [f"{name} at {levels_text(own, group.unit)}" for name, own in levels.items()]
    verb = "run is void and counts" if count == 1 else "runs are void and count"
    return [f"{count} {verb} for nothing, since the client was the bottleneck: {joined(named)}."]
