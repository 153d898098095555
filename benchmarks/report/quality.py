"""Whether the answers are right, beside how fast they are: scores, losses and agreement."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, takewhile

from benchmarks.report.cells import Cell, Group
from benchmarks.report.conditions import UNQUANTIZED, variants
from benchmarks.report.controls import competes
from benchmarks.report.metrics import RATE, Spread
from benchmarks.report.runs import ScoredRun
from benchmarks.report.score_changes import change
from benchmarks.report.tables import Table, Value
from benchmarks.results.quality import Quality, Score, TaskScore
from benchmarks.results.schema import Subject

CANNOT = "cannot be measured"


class QualityIndex:
    """The scores of a report's backends, found by what was measured."""

    def __init__(self, scored: Sequence[ScoredRun], subjects: Sequence[Subject] = ()) -> None:
        """`subjects` are those of the loads, with which backends share their names."""
        own = [each.quality.subject for each in scored]
        names = variants([*own, *subjects])[: len(own)]
        self.rows = [*zip(names, (each.quality for each in scored), strict=True)]
        self._by_subject = {_key(quality.subject): quality for _, quality in self.rows}

    def of_cell(self, cell: Cell) -> Quality | None:
        keys = (_key(run.result.subject) for run in cell.runs)
        return next((self._by_subject[key] for key in keys if key in self._by_subject), None)

    def unquantized(self, quality: Quality) -> Quality | None:
        """Returns the scores of the same backend and settings with plain weights, unless these are
        those."""
        if quality.subject.quantization == UNQUANTIZED:
            return None
        plain = quality.subject.model_copy(update={"quantization": UNQUANTIZED})
        return self._by_subject.get(_key(plain))


def _key(subject: Subject) -> tuple[object, ...]:
    own = {
        name: value
        for name, value in subject.settings.items()
        if name not in ("quantization", "model")
    }
    return (subject.backend, subject.model, subject.quantization, tuple(sorted(own.items())))


def losses(group: Group, index: QualityIndex) -> dict[str, str]:
    """Returns by backend of the group in what its answers are shown to be worse: than those of its
    own plain weights, or than those of another one in the group. A control has no answers."""
    scored = {
        cell.backend: quality
        for cell in group.measured
        if competes(cell) and (quality := index.of_cell(cell))
    }
    reasons: dict[str, str] = {}
    for backend, quality in scored.items():
        bases = {other: scored[other] for other in scored if other != backend}
        if (plain := index.unquantized(quality)) is not None:
            bases = {"its unquantized model": plain, **bases}
        worse = [words for name, base in bases.items() if (words := _worse(base, quality, name))]
        if worse:
            reasons[backend] = worse[0]
    return reasons


def _worse(base: Quality, other: Quality, name: str) -> str | None:
    """Returns in which tasks `other` is worse than `base`, which `name` is the name of."""
    parts = [
        f"{new.name} {percent(new.score)} against {percent(old.score)}"
        for old, new in _same_tasks(base, other)
        if (difference := change(old, new)) is not None and difference.verdict == "worse"
    ]
    return f"worse than {name} in {' and '.join(parts)}" if parts else None


def _same_tasks(base: Quality, other: Quality) -> Iterator[tuple[TaskScore, TaskScore]]:
    tasks = {task.name: task for task in base.tasks}
    yield from ((tasks[task.name], task) for task in other.tasks if task.name in tasks)


def percent(score: Score | None) -> str:
    """Returns a score in words: an accuracy in per cent."""
    if score is None:
        return CANNOT
    return f"{100 * score.value:.1f} %" if score.better == "high" else f"{score.value:.4g}"


def columns(group: Group, index: QualityIndex) -> Mapping[str, Sequence[Value]]:
    """Returns for each task the score of each of the group's cells, as columns beside speed."""
    qualities = [index.of_cell(cell) for cell in group.cells]
    tasks = {task.name: task for quality in qualities if quality for task in quality.tasks}
    return {
        f"{name}, {_unit(task)}": [_value(quality, name) for quality in qualities]
        for name, task in tasks.items()
    }


def scores_text(group: Group, index: QualityIndex) -> str:
    """Returns the scores of each backend of the group, task by task; nothing where none has any."""
    texts: dict[str, list[str]] = {}
    for backend, cells in _by_backend(group).items():
        if not competes(cells[0]):
            continue
        quality = index.of_cell(cells[0])
        for task in quality.tasks if quality else ():
            texts.setdefault(task.name, []).append(f"{backend} {_with_interval(task.score)}")
    return "; ".join(f"{name}: {', '.join(each)}" for name, each in texts.items())


def _by_backend(group: Group) -> dict[str, list[Cell]]:
    cells: dict[str, list[Cell]] = {}
    for cell in group.cells:
        if cell.runs:
            cells.setdefault(cell.backend, []).append(cell)
    return cells


def _with_interval(score: Score | None) -> str:
    if score is None or score.low is None or score.high is None:
        return percent(score)
    if score.better == "low":
        return f"{percent(score)} ({score.low:.4g} to {score.high:.4g})"
    return f"{percent(score)} ({100 * score.low:.1f} to {100 * score.high:.1f})"


def _unit(task: TaskScore) -> str:
    if task.kind == "lm_eval" and task.score is not None:
        return task.score.metric
    return "perplexity" if task.kind == "perplexity" else "accuracy, %"


def _value(quality: Quality | None, name: str) -> Value:
    task = next((t for t in quality.tasks if t.name == name), None) if quality else None
    if task is None:
        return None
    return CANNOT if task.score is None else spread(task.score, in_percent=task.kind != "lm_eval")


def spread(score: Score, *, in_percent: bool) -> Spread:
    """Returns a score with its interval as its range."""
    factor = 100.0 if in_percent and score.metric == "accuracy" else 1.0
    low = score.value if score.low is None else score.low
    high = score.value if score.high is None else score.high
    return Spread(factor * score.value, factor * low, factor * high, 1, score.count)


def scores(index: QualityIndex, groups: Sequence[Group]) -> Table:
    """Returns every task's score with its interval, what it lost by quantization, and what that
    gained in speed: a scheme may be faster and worse."""
    head = (
        "backend", "model", "quantization", "task", "score", "documents", "interval",
        "against its unquantized model", "difference in quality", "token rate against it, %",
    )  # fmt: skip
    rows = [row for name, quality in index.rows for row in _scores(name, quality, index, groups)]
    return Table("Quality of the answers", head, tuple(rows))


def _scores(
    name: str, quality: Quality, index: QualityIndex, groups: Sequence[Group]
) -> Iterator[tuple[Value, ...]]:
    subject, base = quality.subject, index.unquantized(quality)
    before = {} if base is None else {task.name: task for task in base.tasks}
    faster = None if base is None else _rate_change(base, quality, index, groups)
    for task in quality.tasks:
        difference = change(before[task.name], task) if task.name in before else None
        words, verdict = (difference.words, difference.verdict) if difference else ("", "")
        title = f"{task.name}, {_unit(task)}"
        score: Value = f"{CANNOT}: {task.reason}"
        if task.score is not None:
            score = spread(task.score, in_percent=task.kind != "lm_eval")
        yield (
            name, subject.model, subject.quantization or "", title, score,
            task.score.count if task.score else None, task.score.interval if task.score else "",
            words, verdict, faster,
        )  # fmt: skip


def _rate_change(
    base: Quality, other: Quality, index: QualityIndex, groups: Sequence[Group]
) -> float | None:
    """Returns by how many per cent the token rate differs, at the highest load that both had under
    one system prompt and shape."""
    rates: list[dict[tuple[str, str, float], float]] = []
    for wanted in (base, other):
        cells = [c for g in groups for c in g.measured if index.of_cell(c) is wanted]
        measured = ((cell, cell.spread(RATE)) for cell in cells)
        rates.append(
            {
                (cell.condition.system_prompt, cell.condition.shape, cell.level): rate.median
                for cell, rate in measured
                if rate is not None
            }
        )
    common = sorted(rates[0].keys() & rates[1].keys(), key=lambda key: key[-1])
    if not common or not rates[0][common[-1]]:
        return None
    return 100 * (rates[1][common[-1]] / rates[0][common[-1]] - 1)


def agreement(index: QualityIndex) -> Table:
    """Returns how far two engines give the same greedy answer to the same token ids of a prompt."""
    head = (
        "one", "other", "model", "task", "same prompts", "equal answers, %",
        "first differing token, median", "earliest",
    )  # fmt: skip
    rows = [
        (_full_name(one, first), _full_name(other, second), first.subject.model, *row)
        for (one, first), (other, second) in combinations(index.rows, 2)
        if first.subject.model == second.subject.model
        for old, new in _same_tasks(first, second)
        if (row := _agreement(old, new)) is not None
    ]
    return Table("Agreement of greedy answers", head, tuple(rows))


def _full_name(name: str, quality: Quality) -> str:
    quantization = quality.subject.quantization
    return name if quantization in (None, UNQUANTIZED) else f"{name}, {quantization}"


def _agreement(one: TaskScore, other: TaskScore) -> tuple[Value, ...] | None:
    if other.kind != "exact" or one.hash != other.hash or one.reason or other.reason:
        return None
    answers = {each.line: each for each in one.documents}
    pairs = [
        (answers[new.line], new)
        for new in other.documents
        if new.line in answers and answers[new.line].prompt == new.prompt
    ]
    apart = [_common(old.tokens, new.tokens) + 1 for old, new in pairs if old.text != new.text]
    equal = 100 * (1 - len(apart) / len(pairs)) if pairs else None
    middle = float(statistics.median(apart)) if apart else None
    return (one.name, len(pairs), equal, middle, min(apart) if apart else None)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Returns how many tokens both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
