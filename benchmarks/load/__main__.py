"""python -m benchmarks.load URL: put a load on an endpoint, and say what its users saw.

Ends with 0 after a valid run, 3 after a void one, 1 when nothing was measured. With --sweep it
makes several runs, and says which is the highest load that keeps the limits.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from pydantic import ValidationError

from benchmarks.load.measure import measure, prepared
from benchmarks.load.options import WrongOption, parsed
from benchmarks.load.result import summary_text
from benchmarks.load.spec import LoadFailed, Spec
from benchmarks.load.sweep import sweep
from benchmarks.load.sweep_spec import SweepSpec
from benchmarks.load.sweep_text import is_void, sweep_text
from benchmarks.prompts import BadPrompts
from benchmarks.results import files
from benchmarks.results.schema import Request, Result, Subject

VALID, WRONG, VOID, INTERRUPTED = 0, 1, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    try:
        options, spec = parsed(arguments)
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)  # not after all the work
        subject = _subject(spec, options)
        if isinstance(spec, SweepSpec):
            swept = uvloop.run(sweep(spec, subject, options.out))
            print(sweep_text(swept))
            return VOID if is_void(swept) else VALID
        measured, requests = uvloop.run(_one_run(spec, subject))
    except (BadPrompts, LoadFailed, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("interrupted before the run", file=sys.stderr)
        return INTERRUPTED
    failure = None
    try:
        if options.out is not None:
            files.write(options.out, measured, requests)
    except OSError as error:
        failure = error
    print(summary_text(measured))
    if failure is not None:
        print(f"error: {failure}", file=sys.stderr)
        return WRONG
    return VALID if measured.verdict.valid else VOID


async def _one_run(spec: Spec, subject: Subject) -> tuple[Result, list[Request]]:
    spec, prompts = await prepared(spec)
    return await measure(spec, prompts, subject)


def _subject(spec: Spec, options: argparse.Namespace) -> Subject:
    """Returns what is measured. Raises WrongOption."""
    if options.subject is None:
        name = options.label or urlsplit(spec.url).netloc
        return Subject(backend=name, model=spec.model or "default", url=spec.url)
    try:
        return Subject.model_validate_json(Path(options.subject).read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise WrongOption(f"--subject {options.subject}: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
