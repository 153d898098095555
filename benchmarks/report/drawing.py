"""Charts as SVG: plain for a file, and with the page's colours for the page itself."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from xml.etree import ElementTree

import altair
import vl_convert

from benchmarks.report.colours import EDGE, GRID, INK, PALETTE, PAPER, QUIET, Mark

SVG = "http://www.w3.org/2000/svg"
FONT = "Helvetica, Arial, sans-serif"
WIDTH = 400
SCALE = 2.0
"""Pixels of a PNG for each pixel of the drawing."""
VARIABLES = {
    PAPER.light: "--paper",
    INK.light: "--ink",
    QUIET.light: "--quiet",
    GRID.light: "--grid",
    EDGE.light: "--edge",
    **{tone.light: f"--slot-{slot}" for slot, tone in enumerate(PALETTE)},
}
HEX = re.compile("|".join(VARIABLES))
NUMBER = re.compile(r"\d+\.\d{3,}")
COLOURED = ("fill", "stroke")
CONFIG: dict[str, Any] = {
    "background": PAPER.light,
    "font": FONT,
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelColor": QUIET.light,
        "titleColor": QUIET.light,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": GRID.light,
        "domainColor": EDGE.light,
        "tickColor": EDGE.light,
        "labelAngle": 0,
    },
    "axisY": {"domain": False, "ticks": False, "labelPadding": 6, "tickCount": 5},
    "axisX": {"grid": False, "labelPadding": 4},
    "legend": {
        "orient": "top",
        "title": None,
        "columns": 4,
        "labelColor": INK.light,
        "labelFontSize": 12,
        "labelLimit": 200,
        "symbolSize": 70,
        "offset": 10,
    },
    "header": {"labelColor": INK.light, "labelFontSize": 12, "title": None},
    "title": {"color": INK.light, "fontSize": 12, "fontWeight": "normal", "anchor": "start"},
    "text": {"color": INK.light, "fontSize": 11},
}

Marks = Mapping[str, Mark]
"""The mark of each backend."""

ElementTree.register_namespace("", SVG)


@dataclass(frozen=True)
class Figure:
    """A chart with its numbers: `rows` hold all that is drawn, under `head`.

    `caption` says what is drawn and what the error bars are.
    """

    key: str
    title: str
    caption: str
    chart: Any
    head: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]

    @cached_property
    def svg(self) -> str:
        """The drawing on light paper, which needs nothing else."""
        spec = self.chart.to_dict()
        spec["config"] = CONFIG
        spec["usermeta"] = {"embedOptions": {"renderer": "svg"}}
        return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))

    @cached_property
    def png(self) -> bytes:
        return bytes(vl_convert.svg_to_png(self.svg, scale=SCALE))

    @cached_property
    def inline(self) -> str:
        """The drawing in the colours of a page's CSS variables, with a name for screen readers."""
        root = ElementTree.fromstring(self.svg)
        root.set("role", "img")
        root.set("aria-labelledby", f"{self.key}-name {self.key}-caption")
        root.attrib.pop("height")
        for element in root.iter():
            for name in COLOURED:
                if (colour := element.get(name)) is not None:
                    element.set(name, HEX.sub(_variable, colour.lower()))
            if element.get("role") == "graphics-symbol":
                _name(element)
        title = ElementTree.Element(f"{{{SVG}}}title", {"id": f"{self.key}-name"})
        title.text = self.title
        root.insert(0, title)
        text = io.StringIO()
        ElementTree.ElementTree(root).write(text, encoding="unicode")
        return text.getvalue()


def _name(mark: ElementTree.Element) -> None:
    """Shortens the numbers in a mark's name, and lets a pointer show it."""
    name = NUMBER.sub(lambda match: f"{float(match[0]):.4g}", mark.get("aria-label", ""))
    mark.set("aria-label", name)
    ElementTree.SubElement(mark, f"{{{SVG}}}title").text = name


def rows_of(
    records: Sequence[Mapping[str, Any]], head: Mapping[str, str]
) -> tuple[tuple[Any, ...], ...]:
    """Returns the records as rows; `head` has the title of each field that is shown."""
    return tuple(tuple(record.get(field) for field in head) for record in records)


def data(records: Sequence[Mapping[str, Any]]) -> Any:
    return {"values": [dict(record) for record in records]}


def colour(marks: Marks, *, legend: bool = True) -> Any:
    """Returns the encoding of the field `backend` as colour."""
    names = sorted(marks)
    return altair.Color(
        "backend:N",
        scale=altair.Scale(domain=names, range=[marks[name].tone.light for name in names]),
        legend=_legend(names) if legend else None,
    )


def shape(marks: Marks, *, legend: bool = True) -> Any:
    """Returns the encoding of the field `backend` as shape."""
    names = sorted(marks)
    return altair.Shape(
        "backend:N",
        scale=altair.Scale(domain=names, range=[marks[name].shape for name in names]),
        legend=_legend(names) if legend else None,
    )


def _legend(names: Sequence[str]) -> Any:
    """Returns a legend with as many columns as the longest name leaves room for."""
    widths = [30 + 6 * len(name) for name in names]
    columns = len(names) if sum(widths) <= WIDTH else max(1, WIDTH // max(widths))
    return altair.Legend(columns=columns, symbolOpacity=1, symbolStrokeWidth=1.5)


def _variable(match: re.Match[str]) -> str:
    return f"var({VARIABLES[match[0]]})"
