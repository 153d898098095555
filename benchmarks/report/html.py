"""The page of a report: one file that needs nothing else."""

import base64
import hashlib
import json
import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from benchmarks.report import colours
from benchmarks.report.colours import PALETTE, Tone
from benchmarks.report.export import markdown, records
from benchmarks.report.metrics import Spread
from benchmarks.report.page import Report
from benchmarks.report.tables import Value

TEMPLATES = Path(__file__).with_name("templates")
ADDRESS = re.compile(r"https://[^\s,;)]+")


def html(report: Report) -> str:
    """Returns the page with everything in it; what results say is escaped."""
    script = (TEMPLATES / "page.js").read_text("utf-8")
    style = _css_variables() + (TEMPLATES / "page.css").read_text("utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "text": value_text, "number": sort_number, "range": range_text, "linked": linked
    }  # fmt: skip
    return environment.get_template("page.html").render(
        report=report,
        style=style,
        script=script,
        data=_embedded({"records": records(report), "markdown": markdown(report)}),
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


def linked(text: str) -> Markup:
    """Returns the text with its addresses as links, which are named by their host."""
    parts, end = [], 0
    for match in ADDRESS.finditer(text):
        parts += [escape(text[end : match.start()]), _link(match[0])]
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


def _link(address: str) -> Markup:
    host = address.removeprefix("https://").partition("/")[0]
    return Markup('<a href="{}" title="{}" rel="noreferrer">{}</a>').format(address, address, host)


def _embedded(value: object) -> Markup:
    """Returns JSON as a script element may hold it."""
    return Markup(json.dumps(value, ensure_ascii=False).replace("<", "\\u003c"))


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
