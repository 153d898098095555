"""python -m benchmarks.load URL: put a load on an endpoint, and say what its users saw.

Ends with 0 after a valid run, 3 after a void one, 1 when nothing was measured.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from pydantic import ValidationError
from rich.console import Console

from benchmarks.load.generators import load_generator
from benchmarks.load.options import WrongOption, parsed
from benchmarks.load.prepare import metrics_url, reset_cache, warm_up, with_model
from benchmarks.load.progress import window_display
from benchmarks.load.ray_workers import ray_workers
from benchmarks.load.request import NANO
from benchmarks.load.result import result, started_at, summary_text
from benchmarks.load.run import WorkerResult, run
from benchmarks.load.spec import LoadFailed, Spec
from benchmarks.load.workers import local_workers, run_workers
from benchmarks.machine_metrics import Sampler
from benchmarks.prompts import (
    BadPrompts,
    PromptSet,
    load_prompts,
    local_tokenizer,
    served_tokenizer,
)
from benchmarks.results import files
from benchmarks.results.schema import Prompts, Request, Result, Subject

VALID, WRONG, VOID, INTERRUPTED = 0, 1, 3, 130
LOCAL = ("localhost", "127.0.0.1", "::1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    try:
        options, spec = parsed(arguments)
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)  # not after all the work
        measured, requests = uvloop.run(measure(spec, options))
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


async def measure(spec: Spec, options: argparse.Namespace) -> tuple[Result, list[Request]]:
    """Returns the result of a run, and its requests. Raises BadPrompts, LoadFailed or OSError."""
    spec = await with_model(spec)
    prompts = await asyncio.to_thread(_prompts, spec)
    subject = _subject(spec, options)
    sampler = _sampler(spec, await metrics_url(spec))
    if spec.engine != "load":
        generator = load_generator(spec.engine)
        price = spec.price_per_hour
        return await generator.run(spec, prompts, subject, sampler, price_per_hour=price)
    order = prompts.order(spec.seed)
    await warm_up(spec, order)
    await reset_cache(spec)
    async with sampler:
        start, parts = await _run(spec, prompts)
    about = Prompts(
        source=prompts.source,
        count=len(prompts.prompts),
        skipped=prompts.skipped,
        hash=order.hash,
        seed=spec.seed,
    )
    return result(
        spec,
        subject,
        about,
        parts,
        started=started_at(start * NANO, time.monotonic()),
        series=sampler.series(start * NANO),
        notes=sampler.warnings,
    )


async def _run(spec: Spec, prompts: PromptSet) -> tuple[int, list[WorkerResult]]:
    """Returns the start, a stamp of time.monotonic_ns(), and what each client process measured."""
    with window_display(spec, Console(stderr=True)) as display:
        if spec.ray is not None:
            async with ray_workers(spec.ray, spec, prompts) as remote:
                return await run_workers(remote, display)
        if spec.procs > 1:
            async with local_workers(spec, prompts) as local:
                return await run_workers(local, display)
        order = prompts.order(spec.seed)
        start = time.monotonic_ns()
        return start, [await run(spec, order, start=start, report=display)]


def _prompts(spec: Spec) -> PromptSet:
    """Returns the prompts. Their tokens are counted by the tokenizer that is named, else by the
    service's own."""
    name = spec.prompts.tokenizer
    return load_prompts(
        **spec.prompts.model_dump(exclude={"tokenizer"}),
        seed=spec.seed,
        tokenizer=served_tokenizer(spec.url) if name is None else local_tokenizer(name),
    )


def _sampler(spec: Spec, metrics_url: str | None) -> Sampler:
    """Returns a sampler, of this machine's GPUs only where the endpoint is on it."""
    pids = [] if spec.pid is None else [spec.pid]
    here = bool(pids) or urlsplit(spec.url).hostname in LOCAL
    return Sampler(metrics_url=metrics_url, pids=pids, gpus=here)


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
