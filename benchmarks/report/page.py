"""The report: what its page and its files are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report.answers import Answer, answers
from benchmarks.report.cells import Group, groups, places
from benchmarks.report.colours import marks
from benchmarks.report.comparison import by_change, compare
from benchmarks.report.controls import control_sentences
from benchmarks.report.criteria import criteria
from benchmarks.report.curves import latency_curves
from benchmarks.report.drawing import Figure, Marks
from benchmarks.report.figures import figures
from benchmarks.report.frontier import frontier, rivals, scheme_name
from benchmarks.report.history import history, history_figures
from benchmarks.report.lengths import length_figure, mean_lengths
from benchmarks.report.matrix import Matrix, matrices
from benchmarks.report.missing import missing
from benchmarks.report.quality import QualityIndex, agreement, columns, losses, scores
from benchmarks.report.remarks import remarks
from benchmarks.report.repeating import commands
from benchmarks.report.runs import Results, days
from benchmarks.report.runs import conditions as measured_with
from benchmarks.report.side_by_side import side_by_side
from benchmarks.report.surroundings import (
    differing_settings,
    environments,
    prompts,
    starts,
    verdicts,
)
from benchmarks.report.sweeps import highest_loads, sweep_steps
from benchmarks.report.tables import Table, outcomes, phases, summary
from benchmarks.report.timelines import timelines


@dataclass(frozen=True)
class Section:
    """One condition: its answers, its matrices, what limits them, its figures and its tables."""

    group: Group
    load: str
    answers: Sequence[Answer]
    matrices: Sequence[Matrix]
    controls: Sequence[str]
    remarks: Sequence[str]
    curves: Sequence[Figure]
    figures: Sequence[Sequence[Figure]]
    summary: Table
    tables: Sequence[Table]


@dataclass(frozen=True)
class Report:
    """All that is shown. `comparison` has what changed and what did not; `beside` are tables of
    all conditions together, and `general_tables` what else there is to know."""

    title: str
    conditions: str
    sections: Sequence[Section]
    comparison: tuple[Table, Table] | None
    over_time: tuple[Table, Sequence[Figure]] | None
    beside: Sequence[Table]
    general_tables: Sequence[Table]
    commands: Sequence[str]
    results: Results

    @property
    def tables(self) -> list[Table]:
        return [*self.beside, *self.general_tables]

    @property
    def figures(self) -> list[Figure]:
        parts = [part for each in self.sections for part in (each.curves, *each.figures)]
        own = [] if self.over_time is None else [*self.over_time[1]]
        return [*own, *(figure for part in parts for figure in part)]


def report(results: Results, before: Sequence[Results] = ()) -> Report:
    """Returns the report of the results, compared with the last of those `before`, and with all of
    them over time."""
    absent = missing(results.runs, places(results.runs), results.studies)
    conditions = groups(results.runs, absent)
    edges = {together[0].condition: together for together in rivals(conditions)}
    names = {cell.backend for group in conditions for cell in group.cells}
    names |= {scheme_name(c, g) for g in edges.values() for each in g for c in each.cells}
    by_backend = marks(names)
    index = QualityIndex(results.scored, [run.result.subject for run in results.runs])
    sets = [(_set_name(each), groups(each.runs)) for each in before]
    sets.append((_set_name(results), conditions))
    return Report(
        title=", ".join(each.name for each in results.studies if each.name) or results.name,
        conditions=measured_with(results),
        sections=[
            _section(group, by_backend, index, edges.get(group.condition, ()))
            for group in conditions
        ],
        comparison=by_change(compare(sets[-2][1], conditions)) if before else None,
        over_time=(history(sets), [*history_figures(sets, by_backend)]) if before[1:] else None,
        beside=_with_rows(
            [
                highest_loads(results.sweeps),
                side_by_side(conditions),
                scores(index, conditions),
                agreement(index),
                sweep_steps(results.sweeps),
            ]
        ),
        general_tables=_general_tables(results),
        commands=[] if results.studies else commands(results.runs),
        results=results,
    )


def _set_name(results: Results) -> str:
    return f"{results.name}, {days(results)}"


def _with_rows(tables: Sequence[Table]) -> list[Table]:
    return [table for table in tables if table.rows]


def _general_tables(results: Results) -> list[Table]:
    subjects = [run.result.subject for run in results.runs]
    known = {name for subject in subjects for name in (subject.backend, subject.engine or "")}
    weighed = criteria(known)
    return _with_rows(
        [
            differing_settings(results.runs),
            starts(results.studies),
            weighed.transposed if weighed.rows else weighed,
            verdicts(results.runs),
            environments(results.runs),
            prompts(results.runs),
        ]
    )


def _section(group: Group, marks: Marks, index: QualityIndex, rivals: Sequence[Group]) -> Section:
    measured = bool(group.measured)
    lengths = length_figure(group, marks) if measured else None
    summaries = [*figures(group, marks), *([lengths] if lengths else [])] if measured else []
    return Section(
        group,
        ", ".join(filter(None, (group.condition.shape, mean_lengths(group)))),
        answers(group, index),
        matrices(group, losses(group, index)),
        control_sentences(group),
        remarks(group),
        [*frontier(rivals, marks), *latency_curves(group, marks)],
        (summaries, [*timelines(group, marks)] if measured else []),
        summary(group, columns(group, index)),
        [outcomes(group), phases(group)],
    )
