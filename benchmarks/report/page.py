"""The page: one file that needs nothing else."""

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
from benchmarks.report.qualities import qualities
from benchmarks.report.runs import Found
from benchmarks.report.tables import Table, environments, phases, summary, verdicts

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Section:
    """One condition: what it shows, its figures and tables."""

    group: Group
    sentences: Sequence[str]
    figures: Sequence[Figure]
    tables: Sequence[Table]


@dataclass(frozen=True)
class Report:
    title: str
    sections: Sequence[Section]
    comparison: Table | None
    rest: Sequence[Table]
    found: Found

    @property
    def figures(self) -> list[Figure]:
        return [figure for section in self.sections for figure in section.figures]


def report(found: Found, before: Found | None = None) -> Report:
    """Of `found`; compared with `before` where there is one."""
    made = groups(found.runs)
    names = {cell.backend for group in made for cell in group.cells}
    looks = marks(names)
    named = [study.name for study in found.studies if study.name]
    qualitative = qualities(names)
    return Report(
        title=", ".join(named) or found.name,
        sections=[_section(group, looks) for group in made],
        comparison=None if before is None else compare(groups(before.runs), made),
        rest=[
            *([qualitative] if qualitative.rows else []),
            verdicts(found.runs),
            environments(found.runs),
        ],
        found=found,
    )


def _section(group: Group, looks: Mapping[str, Mark]) -> Section:
    drawn = [*figures(group, looks), *courses(group, looks)] if group.measured else []
    return Section(group, conclusion(group), drawn, [summary(group), phases(group)])


def html(of: Report) -> str:
    """With everything in it, what results say escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["shown"] = shown
    read = {name: (TEMPLATES / name).read_text("utf-8") for name in ("page.css", "page.js")}
    return environment.get_template("page.html").render(
        report=of,
        colours_light=_variables("light"),
        colours_dark=_variables("dark"),
        style=read["page.css"],
        script=read["page.js"],
    )


def shown(value: str | float | None) -> str:
    """Three or four digits; an empty cell for what was not measured."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _variables(side: str) -> str:
    named: dict[str, Tone] = {
        "paper": colours.PAPER,
        "ink": colours.INK,
        "quiet": colours.QUIET,
        "grid": colours.GRID,
        "edge": colours.EDGE,
        **{f"slot-{slot}": tone for slot, tone in enumerate(PALETTE)},
    }
    return "".join(f"--{name}:{getattr(tone, side)};" for name, tone in named.items())
