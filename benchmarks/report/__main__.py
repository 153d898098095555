"""python -m benchmarks.report FOLDER: what a study, or any folder of results, shows.

With two folders the first is before, the second after a change.
"""

import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report.metrics import Spread
from benchmarks.report.page import Report, html, report
from benchmarks.report.runs import NoResults, find_results
from benchmarks.report.tables import Table, Value, summary
from common.command_line import Parser

FIGURES = "figures"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the report, prints where it lies, and returns the exit status."""
    parser = Parser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("after", type=Path, nargs="?", help="to be compared with the first")
    parser.add_argument("--out", type=Path, metavar="DIR", help="FOLDER/report")
    options = parser.parse_args(arguments)
    try:
        results = find_results(options.folder)
        if options.after is None:
            complete = report(results)
        else:
            complete = report(find_results(options.after), before=results)
        out = options.out or (options.after or options.folder) / "report"
        print(write(complete, out))
    except (NoResults, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def write(report: Report, out: Path) -> Path:
    """Writes all files into `out` and returns the path of report.html; raises OSError.

    Beside the page lie figures/*.svg and *.png, summary.csv and summary.json.
    """
    (out / FIGURES).mkdir(parents=True, exist_ok=True)
    for figure in report.figures:
        (out / FIGURES / f"{figure.key}.svg").write_text(figure.svg, "utf-8")
        (out / FIGURES / f"{figure.key}.png").write_bytes(figure.png)
    groups = [section.group for section in report.sections]
    tables = [(group.condition.title, summary(group)) for group in groups]
    (out / "summary.csv").write_text(_csv(tables), "utf-8")
    (out / "summary.json").write_text(_json(tables), "utf-8")
    page = out / "report.html"
    page.write_text(html(report), "utf-8")
    return page


def _csv(tables: Sequence[tuple[str, Table]]) -> str:
    """Returns one table with the columns of all conditions, some of which another one lacks."""
    names = list(
        dict.fromkeys(name for record in _records(tables) for name in record if name != "condition")
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, ["condition", *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_records(tables))
    return text.getvalue()


def _json(tables: Sequence[tuple[str, Table]]) -> str:
    return json.dumps(_records(tables), indent=1, ensure_ascii=False) + "\n"


def _records(tables: Sequence[tuple[str, Table]]) -> list[dict[str, str | float | None]]:
    return [
        {"condition": title, **_flat(table.head, row)}
        for title, table in tables
        for row in table.rows
    ]


def _flat(head: Sequence[str], row: Sequence[Value]) -> dict[str, str | float | None]:
    """Returns a row by column; a spread has its median, least and greatest in three of them."""
    record: dict[str, str | float | None] = {}
    for name, value in zip(head, row, strict=True):
        if isinstance(value, Spread):
            record |= {name: value.median, f"{name}, least": value.low}
            record |= {f"{name}, greatest": value.high, f"{name}, repeats": value.count}
        else:
            record[name] = value
    return record


if __name__ == "__main__":
    sys.exit(main())
