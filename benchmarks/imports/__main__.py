"""python -m benchmarks.imports aiperf|vllm PATH --out FOLDER: another tool's run as one of ours.

Ends with 0 after a valid run, 3 after a void one, 1 when nothing was imported.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.imports import aiperf, vllm
from benchmarks.imports.external_run import (
    UNKNOWN,
    ExternalRun,
    NotImportable,
    import_errors,
    result,
)
from benchmarks.load.result import summary_text
from benchmarks.results import files
from benchmarks.results.schema import FAILED, Request, Subject
from common.command_line import Parser

VALID, WRONG, VOID = 0, 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Imports a run, prints what it shows, and returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        run = _read(options)
        imported = result(run, _subject(options.subject), backend=options.backend)
        if options.model is not None:
            subject = imported.subject.model_copy(update={"model": options.model})
            imported = imported.model_copy(update={"subject": subject})
        print(files.write(options.out, imported, run.requests))
    except (NotImportable, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    print(summary_text(imported))
    print(_outcome_counts(run.requests))
    return VALID if imported.verdict.valid else VOID


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m benchmarks.imports",
        description="Another load generator's run, judged again, as a result of ours.",
    )
    add = parser.add_argument
    add("tool", choices=["aiperf", "vllm"])
    add("path", type=Path, help="aiperf's folder; the JSON of vllm bench serve --save-detailed")
    add("--out", type=Path, required=True, metavar="DIR", help="for result.json, requests.jsonl")
    add("--backend", default=UNKNOWN, help="that was measured")
    add("--model", help="that was measured; as the tool's files name it")
    add("--url", help="that was measured, where the files do not have it (vllm)")
    add("--subject", type=Path, metavar="FILE", help="JSON: all that is known of it")
    return parser


def _read(options: argparse.Namespace) -> ExternalRun:
    if options.tool == "vllm":
        if options.url is not None and not options.url.startswith(("http://", "https://")):
            raise NotImportable(f"--url {options.url}: it begins with http:// or https://")
        return vllm.read(options.path, options.url)
    if options.url is not None:
        raise NotImportable("--url is for vllm: aiperf's files have it")
    return aiperf.read(options.path)


def _subject(path: Path | None) -> Subject | None:
    with import_errors(f"--subject {path}"):
        return None if path is None else Subject.model_validate_json(path.read_bytes())


def _outcome_counts(requests: Sequence[Request]) -> str:
    """Returns one line: how many requests there were, and how many ended in which way."""
    counts = Counter(request.outcome for request in requests)
    failed = sum(count for outcome, count in counts.items() if outcome in FAILED)
    by_outcome = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    return f"{len(requests)} requests, {failed} of them failed ({by_outcome})"


if __name__ == "__main__":
    sys.exit(main())
