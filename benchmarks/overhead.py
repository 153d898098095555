"""What the services cost per token beside other servers: a study, and the table of its results.

Exit status: that of the study, and 3 where a run does not count.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from benchmarks.report.metrics import spread_of
from benchmarks.report.runs import NoResults, find_results
from benchmarks.results import files
from benchmarks.results.schema import FAILED, Outcome, Request, Result
from benchmarks.study import __main__ as study
from benchmarks.words import counted
from common.command_line import Parser

STUDIES = Path(__file__).parent / "studies"
HEAD = """\
| | runs | tokens/s | ratio | ms of CPU per 1,000 tokens | ratio | of these the API process |
|---|---|---|---|---|---|---|"""
ALL_ROLES = ("api", "engine", "supervisor")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    status = study.main([str(options.study), "--out", str(options.out)])
    try:
        runs = sorted(find_results(options.out).runs, key=lambda run: run.result.started_at)
    except NoResults as error:
        print(f"error: {error}", file=sys.stderr)
        return status or study.FAILED
    faults = {run.where: fault(run.result, files.requests(options.out / run.where)) for run in runs}
    print(table([(run.result, faults[run.where] is None) for run in runs]))
    for where, reason in faults.items():
        if reason is not None:
            print(f"void: {where}: {reason}")
    return status or (study.VOID if any(faults.values()) else study.MEASURED)


def fault(result: Result, requests: Iterable[Request]) -> str | None:
    """Returns why a run says nothing of its server, None where it counts: its verdict, an answer
    that did not end well, or one of another number of tokens than the others."""
    if not result.verdict.valid:
        return "; ".join(result.verdict.reasons)
    requests = list(requests)
    failed = [request for request in requests if request.outcome in FAILED]
    if failed:
        first = f"{failed[0].outcome} {failed[0].error}"
        return f"{counted(len(failed), 'request')} failed, the first: {first}"
    ended = [request for request in requests if request.outcome is Outcome.OK]
    counts = {request.output_tokens for request in ended}
    exact = any(request.tokens_from == "usage" for request in ended)
    if len(counts) != 1 or (exact and counts != {result.load.max_tokens}):
        return f"answers of {', '.join(map(str, counts))} tokens, not {result.load.max_tokens}"
    return None


def table(results: Sequence[tuple[Result, bool]]) -> str:
    """Returns a row for each server in the order of its first result, as Markdown, of the results
    that count. Ratios are to the first row, of runs of one round: they saw the same machine."""
    rows: dict[str, dict[int, Result]] = {}
    for result, counts in results:
        row = rows.setdefault(result.subject.backend, {})
        if counts:
            row[result.subject.repeat] = result
    first = next(iter(rows.values()), {})
    return "\n".join([HEAD, *(_row(name, runs, first) for name, runs in rows.items())])


def _row(name: str, runs: dict[int, Result], first: dict[int, Result]) -> str:
    def ratio(value: Callable[[Result], float]) -> str:
        pairs = [(value(runs[n]), value(first[n])) for n in runs if n in first]
        return _text([one / other for one, other in pairs if other], "{:.2f}")

    cells = (
        name,
        str(len(runs)),
        _text([rate(result) for result in runs.values()], "{:,.0f}"),
        ratio(rate),
        _text([cpu_per_1000(result) for result in runs.values()], "{:.1f}"),
        ratio(cpu_per_1000),
        _text([cpu_per_1000(result, ("api",)) for result in runs.values()], "{:.1f}"),
    )
    return f"| {' | '.join(cells)} |"


def rate(result: Result) -> float:
    return result.plateau.tokens_per_second


def cpu_per_1000(result: Result, roles: Sequence[str] = ALL_ROLES) -> float:
    """Returns the milliseconds of CPU that processes of these roles spent on 1,000 tokens of the
    plateau; 0 where nobody sampled them."""
    plateau = result.plateau
    cores = 0.0
    for series in result.series:
        if (series.source, series.name) == ("process", "cpu") and series.labels["role"] in roles:
            points = [v for at, v in series.points if plateau.start < at <= plateau.end]
            cores += statistics.fmean(points) if points else 0.0
    return 1e6 * cores / plateau.tokens_per_second


def _text(values: Sequence[float], form: str) -> str:
    """Returns the median and the range of the values."""
    if not values:
        return "-"
    spread = spread_of(values)
    median, low, high = (form.format(v) for v in (spread.median, spread.low, spread.high))
    return f"{median} ({low}–{high})"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--vllm", action="store_true", help="vLLM here and behind its own server")
    parser.add_argument("--study", type=Path, metavar="FILE.yaml", help="another study")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="of the study; default: a new one in studies/"
    )
    options = parser.parse_args(arguments)
    options.study = options.study or STUDIES / f"overhead{'-vllm' if options.vllm else ''}.yaml"
    now = f"{datetime.now():%Y-%m-%d-%H%M%S}"
    options.out = options.out or Path("studies") / f"{options.study.stem}-{now}"
    return options


if __name__ == "__main__":
    sys.exit(main())
