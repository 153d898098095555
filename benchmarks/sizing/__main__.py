"""python -m benchmarks.sizing FOLDER ... --users N: replicas, GPUs and cost of a load.

The folders hold results of `python -m benchmarks.study` or `benchmarks.load`, each of one replica.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from benchmarks.load.spec import Limits, Seconds
from benchmarks.report.runs import NoResults, find_results
from benchmarks.sizing.capacity import Objective, configurations
from benchmarks.sizing.plan import Load, plan
from benchmarks.sizing.text import plan_text
from common.command_line import Parser, exit_status

NOTHING = "no run of these folders has users in a closed loop, a valid verdict and a model"


def argument_parser() -> Parser:
    parser = Parser(prog="python -m benchmarks.sizing", description=__doc__)
    add = parser.add_argument
    add("folders", type=Path, nargs="+", metavar="FOLDER")
    add("--users", type=int, required=True, help="at the peak, each with one request at a time")
    add("--tokens-per-second", type=float, help="of answers, at the peak")
    add("--prompt-tokens", type=int, help="of a request, in the mean")
    add("--answer-tokens", type=int, help="of a request, in the mean")
    seconds: dict[str, Any] = {"type": _seconds, "metavar": "SECONDS"}
    add("--ttft", **seconds, help="limit of the time to the first token")
    add("--tpot", **seconds, help="limit of the time for each further token")
    add("--end-to-end", **seconds, help="limit of a whole answer")
    add("--percentile", choices=("p50", "p90", "p95", "p99"), default="p95", help="%(default)s")
    add("--spare", type=int, default=0, help="replicas of which one may fail (%(default)s)")
    add("--price", type=float, help="of a GPU per hour; without GPUs, of a machine")
    return parser


def _seconds(text: str) -> float:
    try:
        return TypeAdapter(Seconds).validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a plan for each configuration, the cheapest first. Returns the exit status."""
    options = argument_parser().parse_args(arguments)

    def work() -> None:
        runs = [run for folder in options.folders for run in find_results(folder).runs]
        known = configurations(run.result for run in runs)
        if not known:
            raise NoResults(NOTHING)
        load = Load(
            options.users, options.tokens_per_second, options.prompt_tokens, options.answer_tokens
        )
        limits = Limits(ttft=options.ttft, tpot=options.tpot, end_to_end=options.end_to_end)
        objective = Objective(limits, options.percentile)
        plans = [plan(each, load, objective, options.spare, options.price) for each in known]
        plans.sort(key=lambda each: (each.replicas is None, each.gpus or 0, each.replicas or 0))
        print("\n\n".join(map(plan_text, plans)))

    return exit_status(work, NoResults)


if __name__ == "__main__":
    sys.exit(main())
