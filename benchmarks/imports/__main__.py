"""python -m benchmarks.imports aiperf|vllm PATH --out FOLDER: another tool's run as one of ours.

Ends with 0 after a valid run, 3 after a void one, 1 when nothing was imported.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from benchmarks.imports import aiperf, vllm
from benchmarks.imports.run import UNKNOWN, Foreign, NotImportable, judged, result
from benchmarks.load.result import summary_text
from benchmarks.results import files
from benchmarks.results.schema import Subject
from common.command_line import Parser

VALID, WRONG, VOID = 0, 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """An exit status."""
    options = _parser().parse_args(arguments)
    try:
        foreign = _read(options)
        made = result(foreign, _subject(options.subject), backend=options.backend)
        if options.model is not None:
            subject = made.subject.model_copy(update={"model": options.model})
            made = made.model_copy(update={"subject": subject})
        print(files.write(options.out, made, foreign.requests))
    except (NotImportable, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    print(summary_text(made))
    print(judged(foreign.requests))
    return VALID if made.verdict.valid else VOID


def _parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="python -m benchmarks.imports",
        description="Another load generator's run, judged again, as a result of ours.",
    )
    add = made.add_argument
    add("tool", choices=["aiperf", "vllm"])
    add("path", type=Path, help="aiperf's folder; the JSON of vllm bench serve --save-detailed")
    add("--out", type=Path, required=True, metavar="DIR", help="for result.json, requests.jsonl")
    add("--backend", default=UNKNOWN, help="that was measured")
    add("--model", help="that was measured; as the tool's files name it")
    add("--url", help="that was measured, where the files do not have it (vllm)")
    add("--subject", type=Path, metavar="FILE", help="JSON: all that is known of it")
    return made


def _read(options: argparse.Namespace) -> Foreign:
    if options.tool == "vllm":
        if options.url is not None and not options.url.startswith(("http://", "https://")):
            raise NotImportable(f"--url {options.url}: it begins with http:// or https://")
        return vllm.read(options.path, options.url)
    if options.url is not None:
        raise NotImportable("--url is for vllm: aiperf's files have it")
    return aiperf.read(options.path)


def _subject(path: Path | None) -> Subject | None:
    if path is None:
        return None
    try:
        return Subject.model_validate_json(path.read_text("utf-8"))
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise NotImportable(f"--subject {path}: {said}") from None


if __name__ == "__main__":
    sys.exit(main())
