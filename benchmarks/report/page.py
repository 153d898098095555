"""The page: one file that needs nothing else."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from benchmarks.report import colours
from benchmarks.report.cells import Group, groups
from benchmarks.report.colours import PALETTE, Mark, Tone, marks
from benchmarks.report.comparison import compare
from benchmarks.report.conclusion import conclusion
from benchmarks.report.courses import courses
from benchmarks.report.drawing import Figure
from benchmarks.report.figures import figures
from benchmarks.report.metrics import Spread
from benchmarks.report.qualities import qualities
from benchmarks.report.repeating import commands
from benchmarks.report.runs import Found
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

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Section:
    """One condition: what it shows, its figures and tables."""

    group: Group
    sentences: Sequence[str]
    figures: Sequence[Sequence[Figure]]
    tables: Sequence[Table]


@dataclass(frozen=True)
class Report:
    title: str
    sections: Sequence[Section]
    comparison: Table | None
    rest: Sequence[Table]
    prompts: Table
    commands: Sequence[str]
    found: Found

    @property
    def figures(self) -> list[Figure]:
        return [one for section in self.sections for figures in section.figures for one in figures]


def report(found: Found, before: Found | None = None) -> Report:
    """Of `found`; compared with `before` where there is one."""
    made = groups(found.runs)
    names = {cell.backend for group in made for cell in group.cells}
    engines = {run.result.subject.engine or "" for run in found.runs}
    looks = marks(names)
    named = [study.name for study in found.studies if study.name]
    qualitative = qualities(names | engines)
    return Report(
        title=", ".join(named) or found.name,
        sections=[_section(group, looks) for group in made],
        comparison=None if before is None else compare(groups(before.runs), made),
        rest=[
            *([qualitative] if qualitative.rows else []),
            verdicts(found.runs),
            environments(found.runs),
        ],
        prompts=prompts(found.runs),
        commands=[] if found.studies else commands(found.runs),
        found=found,
    )


def _section(group: Group, looks: Mapping[str, Mark]) -> Section:
    drawn = list(figures(group, looks)) if group.measured else []
    over_time = list(courses(group, looks)) if group.measured else []
    return Section(
        group,
        conclusion(group),
        (drawn, over_time),
        [summary(group), outcomes(group), phases(group)],
    )


def html(of: Report) -> str:
    """With everything in it, what results say escaped."""
    read = {name: (TEMPLATES / name).read_text("utf-8") for name in ("page.css", "page.js")}
    script, style = read["page.js"], f"{_variables()}{read['page.css']}"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["shown"] = shown
    environment.filters["plain"] = plain
    environment.filters["around"] = around
    return environment.get_template("page.html").render(
        report=of,
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'",
    )


def plain(value: Value) -> float | None:
    """What a cell is sorted by, where it is a number."""
    if isinstance(value, Spread):
        return value.median
    return None if isinstance(value, str) else value


def around(value: Value) -> str | None:
    """The least and the greatest of a spread, where they look different."""
    if not isinstance(value, Spread) or shown(value.low) == shown(value.high):
        return None
    return f"{shown(value.low)} to {shown(value.high)}"


def shown(value: Value) -> str:
    """Three or four digits; an empty cell for what was not measured."""
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
    """As a content security policy names the one text that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _variables() -> str:
    light, dark = _side("light"), _side("dark")
    return (
        f":root{{{light}color-scheme:light}}\n"
        f"@media screen and (prefers-color-scheme:dark)"
        f'{{:root:not([data-theme="light"]){{{dark}color-scheme:dark}}}}\n'
        f'@media screen{{:root[data-theme="dark"]{{{dark}color-scheme:dark}}}}\n'
    )


def _side(side: str) -> str:
    named: dict[str, Tone] = {
        "paper": colours.PAPER,
        "ink": colours.INK,
        "quiet": colours.QUIET,
        "grid": colours.GRID,
        "edge": colours.EDGE,
        **{f"slot-{slot}": tone for slot, tone in enumerate(PALETTE)},
    }
    return "".join(f"--{name}:{getattr(tone, side)};" for name, tone in named.items())
