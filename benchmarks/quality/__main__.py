"""python -m benchmarks.quality SPEC.json: put tasks to an endpoint, and print the scores.

The file has the url, the model and the tasks, as a study writes it for each of its quality cells. A
key is taken from the environment variable LLM_API_KEY. Ends with 0 when every task has a score or a
reason why the endpoint cannot have one, 1 when the endpoint failed.
"""

import argparse
import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from benchmarks.environment import environment
from benchmarks.quality import lm_eval, scoring
from benchmarks.quality.endpoint import QualityFailed, ScoredEndpoint
from benchmarks.quality.tasks import BadDocuments, QualitySpec
from benchmarks.results.files import write_quality
from benchmarks.results.quality import Quality, TaskScore
from benchmarks.results.schema import Subject
from common.command_line import Parser, exit_status
from common.messages import one_line


def main() -> int:
    parser = Parser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("spec", type=Path, metavar="SPEC.json")
    parser.add_argument("--subject", type=Path, metavar="FILE", help="JSON: what is measured")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for quality.json")
    options = parser.parse_args()

    def work() -> None:
        quality = asyncio.run(measure(*_read(options)))
        if options.out is not None:
            write_quality(options.out, quality)

    return exit_status(work, QualityFailed, BadDocuments, ValidationError)


def _read(options: argparse.Namespace) -> tuple[QualitySpec, Subject]:
    spec = QualitySpec.model_validate_json(options.spec.read_text("utf-8"))
    if options.subject is not None:
        return spec, Subject.model_validate_json(options.subject.read_text("utf-8"))
    return spec, Subject(backend=urlsplit(spec.url).netloc, model=spec.model, url=spec.url)


async def measure(spec: QualitySpec, subject: Subject) -> Quality:
    """Returns the score of each task, one after the other, and prints them. Raises QualityFailed,
    BadDocuments and OSError."""
    at, begun = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    endpoint = ScoredEndpoint(spec)
    scores = []
    try:
        for task in spec.tasks:
            by_lm_eval = task.kind == "lm_eval"
            task_score = await (
                lm_eval.score(spec, task) if by_lm_eval else scoring.score(endpoint, task)
            )
            print(_line(task_score), flush=True)
            scores.append(task_score)
    finally:
        await endpoint.close()
    return Quality(
        started_at=at,
        seconds=round(time.monotonic() - begun, 1),
        subject=subject,
        environment=environment(),
        tasks=tuple(scores),
    )


def _line(task_score: TaskScore) -> str:
    score = task_score.score
    if score is None:
        return f"{task_score.name}: cannot be measured here: {one_line(task_score.reason or '')}"
    around = "" if score.low is None else f" ({score.low:.4g} to {score.high:.4g})"
    return f"{task_score.name}: {score.metric} {score.value:.4g}{around} of {score.count} documents"


if __name__ == "__main__":
    raise SystemExit(main())
