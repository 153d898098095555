"""The report, and its page: one file that needs nothing else."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from benchmarks.report import colours
from benchmarks.report.cells import Group, groups
from benchmarks.report.colours import PALETTE, Tone, marks
from benchmarks.report.comparison import compare
from benchmarks.report.conclusion import conclusion
from benchmarks.report.criteria import criteria
from benchmarks.report.drawing import Figure, Marks
from benchmarks.report.figures import figures
from benchmarks.report.metrics import Spread
from benchmarks.report.repeating import commands
from benchmarks.report.runs import Results
from benchmarks.report.tables import (
    Table,
    Value,
    environments,
    outcomes,
    phases,
    prompts,
    summary,
    verdicts,
)
from benchmarks.report.timelines import timelines

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Section:
    """One condition: its conclusion, its figures and its tables."""

    group: Group
    sentences: Sequence[str]
    figures: Sequence[Sequence[Figure]]
    tables: Sequence[Table]


@dataclass(frozen=True)
class Report:
    title: str
    sections: Sequence[Section]
    comparison: Table | None
    general_tables: Sequence[Table]
    prompts: Table
    commands: Sequence[str]
    results: Results

    @property
    def figures(self) -> list[Figure]:
        return [one for section in self.sections for figures in section.figures for one in figures]


def report(results: Results, before: Results | None = None) -> Report:
    """Returns the report of the results, compared with those `before` where there are any."""
    conditions = groups(results.runs)
    names = {cell.backend for group in conditions for cell in group.cells}
    engines = {run.result.subject.engine or "" for run in results.runs}
    by_backend = marks(names)
    studies = [study.name for study in results.studies if study.name]
    other_criteria = criteria(names | engines)
    return Report(
        title=", ".join(studies) or results.name,
        sections=[_section(group, by_backend) for group in conditions],
        comparison=None if before is None else compare(groups(before.runs), conditions),
        general_tables=[
            *([other_criteria] if other_criteria.rows else []),
            verdicts(results.runs),
            environments(results.runs),
        ],
        prompts=prompts(results.runs),
        commands=[] if results.studies else commands(results.runs),
        results=results,
    )


def _section(group: Group, marks: Marks) -> Section:
    summaries = list(figures(group, marks)) if group.measured else []
    over_time = list(timelines(group, marks)) if group.measured else []
    return Section(
        group,
        conclusion(group),
        (summaries, over_time),
        [summary(group), outcomes(group), phases(group)],
    )


def html(report: Report) -> str:
    """Returns the page with everything in it; what results say is escaped."""
    script = (TEMPLATES / "page.js").read_text("utf-8")
    style = _css_variables() + (TEMPLATES / "page.css").read_text("utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"text": value_text, "number": sort_number, "range": range_text}
    return environment.get_template("page.html").render(
        report=report,
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'",
    )


def sort_number(value: Value) -> float | None:
    """Returns what a cell is sorted by, where that is a number."""
    if isinstance(value, Spread):
        return value.median
    return None if isinstance(value, str) else value


def range_text(value: Value) -> str | None:
    """Returns the least and the greatest of a spread, where they look different."""
    if not isinstance(value, Spread):
        return None
    low, high = value_text(value.low), value_text(value.high)
    return None if low == high else f"{low} to {high}"


def value_text(value: Value) -> str:
    """Returns three or four digits of a number, and no text for what was not measured."""
    if isinstance(value, Spread):
        value = value.median
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 100 else f"{value:.3g}"


def _hash(text: str) -> str:
    """Returns how a content security policy names the one text that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _css_variables() -> str:
    light, dark = _declarations("light"), _declarations("dark")
    return (
        f":root{{{light}color-scheme:light}}\n"
        f"@media screen and (prefers-color-scheme:dark)"
        f'{{:root:not([data-theme="light"]){{{dark}color-scheme:dark}}}}\n'
        f'@media screen{{:root[data-theme="dark"]{{{dark}color-scheme:dark}}}}\n'
    )


def _declarations(theme: str) -> str:
    named: dict[str, Tone] = {
        "paper": colours.PAPER,
        "ink": colours.INK,
        "quiet": colours.QUIET,
        "grid": colours.GRID,
        "edge": colours.EDGE,
        **{f"slot-{slot}": tone for slot, tone in enumerate(PALETTE)},
    }
    return "".join(f"--{name}:{getattr(tone, theme)};" for name, tone in named.items())
