"""Try an engine's own knobs under the load of a study, within a budget of time.

The knobs are those that the backend declares in services/_<name>/knobs.toml. Each trial is a start
of the service and a run of the study's highest load. The defaults are measured twice; what is not
better by more than they differ is not kept. OUT/tuning.json says what was tried.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results.files import write_whole
from benchmarks.study.client import PROGRAM
from benchmarks.study.manifest import only_one
from benchmarks.study.reading import plan
from benchmarks.study.runner import LeftBehind
from benchmarks.study.yaml_text import StudyError
from benchmarks.tune.knobs import declared_knobs, tuned_backends
from benchmarks.tune.search import KnobSearch, Tuning
from benchmarks.tune.trials import GOALS, measured, target_of, trial_cell
from benchmarks.words import readable_time
from common.command_line import Parser

FILE, TRIALS = "tuning.json", "trials"
MINUTE = 60


def main(arguments: Sequence[str] | None = None, program: Sequence[str] = PROGRAM) -> int:
    """Returns the exit status: 0 with an outcome, 1 after an error, 2 for a study that cannot be
    tuned, 130 after Ctrl-C."""
    options = _options(arguments)
    try:
        tuning = _tuned(options, program)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (OSError, LeftBehind) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; {options.out / FILE} has what was tried", file=sys.stderr)
        return 130
    print(outcome_text(tuning))
    return 0


def _tuned(options: argparse.Namespace, program: Sequence[str]) -> Tuning:
    study = plan(options.study)
    target = target_of(study, options.backend)
    knobs = declared_knobs(str(target.backend))
    if not knobs:
        known = ", ".join(tuned_backends())
        raise StudyError(f"{target.backend} declares no knobs; these backends do: {known}")
    goal = GOALS[options.by]
    tuning = Tuning(
        backend=str(target.backend),
        cell=trial_cell(study, target)[1].id,
        goal=options.by,
        better=goal.better,
        budget=options.budget * MINUTE,
        settings=dict(target.settings),
    )

    async def measure(number: int, settings: Mapping[str, Any]) -> tuple[float | None, str | None]:
        changed = target.model_copy(update={"settings": dict(settings)})
        folder = options.out / TRIALS / f"{number:02}"
        return await measured(study, changed, folder, goal, program)

    def save(tuning: Tuning) -> None:
        write_whole(options.out / FILE, tuning.model_dump_json(indent=1) + "\n")

    with only_one(options.out):
        return asyncio.run(KnobSearch(tuning, measure, save).run(knobs))


def outcome_text(tuning: Tuning) -> str:
    """Returns what was tried, a line for each trial, and the entry of a study with the best."""
    lines = [f"{tuning.cell}, by {tuning.goal} ({tuning.better} is better)"]
    for trial in tuning.trials:
        score = f"{trial.score:,.4g}" if trial.score is not None else str(trial.reason)
        kept = ", kept" if trial.best else ""
        took = readable_time(trial.seconds)
        lines.append(f"{trial.number:>3}  {trial.change}: {score} in {took}{kept}")
    noise = "" if tuning.noise is None else f"; equal trials differ by {tuning.noise:.1%}"
    lines.append(f"end: {tuning.end}{noise}")
    if tuning.score is None:
        return "\n".join(lines)
    if not any(trial.best for trial in tuning.trials):
        return "\n".join([*lines, "nothing was better than the defaults by more than that"])
    entry = {"backend": tuning.backend, "series": "tuned", "settings": tuning.settings}
    lines.append(f"{tuning.gain:+.1%} over the defaults; the entry of a study with these settings:")
    return "\n".join([*lines, f"  - {json.dumps(entry)}"])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m benchmarks.tune",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", type=Path, metavar="STUDY.yaml")
    parser.add_argument("--backend", required=True, metavar="NAME", help="as the study names it")
    parser.add_argument("--budget", type=float, default=60, metavar="MINUTES", help="default: 60")
    parser.add_argument("--by", choices=GOALS, default="rate", help="what is made better")
    parser.add_argument("--out", type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    if options.out is None:
        options.out = Path("studies") / f"{options.study.stem}-tuning-{options.backend}"
    return options


if __name__ == "__main__":
    sys.exit(main())
