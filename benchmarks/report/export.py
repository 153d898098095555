"""The summary of a report as records, CSV, JSON and Markdown."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.report.matrix import Matrix, MatrixCell, Standing
from benchmarks.report.metrics import Spread
from benchmarks.report.page import Report
from benchmarks.report.tables import Value

Flat = Mapping[str, str | float | None]


def records(report: Report) -> list[Flat]:
    """Returns a record for each cell of each condition."""
    return [
        {"condition": section.group.condition.title, **_flat(section.summary.head, row)}
        for section in report.sections
        for row in section.summary.rows
    ]


def _flat(head: Sequence[str], row: Sequence[Value]) -> Flat:
    """Returns a row by column; a spread has its median, least and greatest in three of them."""
    record: dict[str, str | float | None] = {}
    for name, value in zip(head, row, strict=True):
        if isinstance(value, Spread):
            record |= {name: value.median, f"{name}, least": value.low}
            record |= {f"{name}, greatest": value.high, f"{name}, repeats": value.count}
        else:
            record[name] = value
    return record


def csv_text(records: Sequence[Flat]) -> str:
    """Returns one table with the columns of all conditions, some of which another one lacks."""
    names = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def json_text(records: Sequence[Flat]) -> str:
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def markdown(report: Report) -> str:
    """Returns the first screens: the answers and the matrices of each condition."""
    lines = [f"# {report.title}", "", report.conditions, ""]
    for section in report.sections:
        lines += [f"## {section.group.condition.title}", "", section.load, ""]
        lines += [f"- **{each.question}** {each.text}" for each in section.answers]
        lines += ["", *section.controls, ""]
        for matrix in section.matrices:
            lines += [f"{matrix.title}:", "", *_markdown_rows(matrix), ""]
        lines += [f"- {sentence}" for sentence in section.remarks]
        lines += [""] if section.remarks else []
    return "\n".join(lines).rstrip() + "\n"


def _markdown_rows(matrix: Matrix) -> Iterable[str]:
    yield _row(["backend", *matrix.columns])
    yield _row(["---", *("---:" for _ in matrix.columns)])
    for name, cells in matrix.rows:
        yield _row([name, *map(_markdown_cell, cells)])


def _row(values: Iterable[str]) -> str:
    return f"| {' | '.join(value.replace('|', '/') for value in values)} |"


def _markdown_cell(cell: MatrixCell) -> str:
    figure = f"**{cell.figure}**" if cell.standing is Standing.LEADER else cell.figure
    figure += " (not told apart)" if cell.standing is Standing.TIE else ""
    return ", ".join(part for part in (figure, cell.around, *cell.remarks) if part)
