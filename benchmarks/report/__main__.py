"""python -m benchmarks.report FOLDER: what a study, or any folder of results, shows.

With several folders the last is reported, compared with the one before it, and with all of them
over time.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report.export import csv_text, json_text, markdown, records
from benchmarks.report.html import html
from benchmarks.report.page import Report, report
from benchmarks.report.runs import NoResults, find_results
from common.command_line import Parser, exit_status

FIGURES = "figures"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the report, prints where it lies, and returns the exit status."""
    parser = Parser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the last FOLDER/report")
    options = parser.parse_args(arguments)

    def work() -> None:
        *before, results = map(find_results, options.folders)
        complete = report(results, before)
        out = options.out or options.folders[-1] / "report"
        print(write(complete, out))

    return exit_status(work, NoResults)


def write(report: Report, out: Path) -> Path:
    """Writes all files into `out` and returns the path of report.html; raises OSError.

    Beside the page lie figures/*.svg and *.png, and the summary as CSV, JSON and Markdown.
    """
    (out / FIGURES).mkdir(parents=True, exist_ok=True)
    for figure in report.figures:
        (out / FIGURES / f"{figure.key}.svg").write_text(figure.svg, "utf-8")
        (out / FIGURES / f"{figure.key}.png").write_bytes(figure.png)
    summary = records(report)
    (out / "summary.csv").write_text(csv_text(summary), "utf-8")
    (out / "summary.json").write_text(json_text(summary), "utf-8")
    (out / "summary.md").write_text(markdown(report), "utf-8")
    page = out / "report.html"
    page.write_text(html(report), "utf-8")
    return page


if __name__ == "__main__":
    sys.exit(main())
