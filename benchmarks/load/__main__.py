"""python -m benchmarks.load URL: put a load on an endpoint, and say what its users saw.

Ends with 0 after a valid run, 3 after a void one, 1 when nothing was measured.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from pydantic import ValidationError
from rich.console import Console

from benchmarks.load.before import NotReady, metrics_of, reset_cache, warm_up, with_model
from benchmarks.load.crew import WorkerFailed, work
from benchmarks.load.options import WrongOption, parsed
from benchmarks.load.procs import local_workers
from benchmarks.load.progress import shown
from benchmarks.load.ray_workers import ray_workers
from benchmarks.load.request import NANO
from benchmarks.load.result import result, started_at
from benchmarks.load.share import Share, share
from benchmarks.load.spec import Spec
from benchmarks.load.told import told
from benchmarks.load_generators.aiperf import run as aiperf
from benchmarks.load_generators.aiperf.process import LoadGeneratorFailed
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
EXPECTED = (BadPrompts, LoadGeneratorFailed, NotReady, OSError, WorkerFailed, WrongOption)


def main(arguments: Sequence[str] | None = None) -> int:
    """An exit status."""
    try:
        options, spec = parsed(arguments)
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)  # not after all the work
        made, requests = uvloop.run(measure(options, spec))
    except EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("interrupted before the run", file=sys.stderr)
        return INTERRUPTED
    failure = None
    try:
        if options.out is not None:
            files.write(options.out, made, requests)
    except OSError as error:
        failure = error
    print(told(made))
    if failure is not None:
        print(f"error: {failure}", file=sys.stderr)
        return WRONG
    return VALID if made.verdict.valid else VOID


async def measure(options: argparse.Namespace, asked: Spec) -> tuple[Result, list[Request]]:
    """Raises what is EXPECTED."""
    spec = await with_model(asked)
    prompts = await asyncio.to_thread(_prompts, options, spec)
    subject = _subject(options, spec)
    metrics = options.metrics_url or await metrics_of(spec)
    if options.engine == "aiperf":
        price, sampler = options.price_per_hour, _sampler(options, spec, metrics)
        return await aiperf.run(spec, prompts, subject, sampler, price_per_hour=price)
    order = prompts.order(spec.seed)
    await warm_up(spec, order)
    if options.reset_cache is not None:
        await reset_cache(spec, options.reset_cache)
    async with AsyncExitStack() as stack:
        sampler = await stack.enter_async_context(_sampler(options, spec, metrics))
        start, parts = await _run(spec, prompts, options.ray)
    started = started_at(start * NANO, time.monotonic())
    requests = sorted((r for part in parts for r in part.requests), key=lambda r: r.ended)
    made = result(
        spec,
        subject,
        Prompts(
            source=prompts.source,
            count=len(prompts.prompts),
            skipped=prompts.skipped,
            hash=order.hash,
            seed=spec.seed,
        ),
        requests,
        [part.health for part in parts],
        end=max(part.end for part in parts),
        started=started,
        interrupted=any(part.interrupted for part in parts),
        series=sampler.series(start * NANO),
        price_per_hour=options.price_per_hour,
        notes=sampler.warnings,
    )
    return made, requests


async def _run(spec: Spec, prompts: PromptSet, ray: str | None) -> tuple[int, list[Share]]:
    with shown(spec, Console(stderr=True)) as told:
        if ray is not None:
            async with ray_workers(ray, spec, prompts) as remote:
                return await work(remote, told)
        if spec.procs > 1:
            async with local_workers(spec, prompts) as workers:
                return await work(workers, told)
        order = prompts.order(spec.seed)
        start = time.monotonic_ns()
        return start, [await share(spec, order, start=start, told=told)]


def _prompts(options: argparse.Namespace, spec: Spec) -> PromptSet:
    """Tokens are counted by the tokenizer that is named, else by the service's own."""
    named = options.tokenizer
    return load_prompts(
        options.prompts,
        min_tokens=options.min_prompt_tokens,
        max_tokens=options.max_prompt_tokens,
        min_words=options.min_prompt_words,
        max_words=options.max_prompt_words,
        count=options.prompt_count,
        seed=spec.seed,
        tokenizer=served_tokenizer(spec.url) if named is None else local_tokenizer(named),
    )


def _sampler(options: argparse.Namespace, spec: Spec, metrics_url: str | None) -> Sampler:
    """The GPUs of this machine are none of an endpoint's on another."""
    pids = [] if options.pid is None else [options.pid]
    here = bool(pids) or urlsplit(spec.url).hostname in LOCAL
    return Sampler(metrics_url=metrics_url, pids=pids, gpus=here)


def _subject(options: argparse.Namespace, spec: Spec) -> Subject:
    """Raises WrongOption."""
    if options.subject is None:
        name = options.label or urlsplit(spec.url).netloc
        return Subject(backend=name, model=spec.model or "default", url=spec.url)
    try:
        return Subject.model_validate_json(Path(options.subject).read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise WrongOption(f"--subject {options.subject}: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
