"""One run of load on one endpoint, from its prompts to its result."""

import asyncio
import time
from typing import TypeVar
from urllib.parse import urlsplit

from benchmarks.environment import environment
from benchmarks.load.prepare import metrics_url, reset_cache, token_ids_hash, warm_up, with_model
from benchmarks.load.progress import WindowLines
from benchmarks.load.ray_workers import ray_workers
from benchmarks.load.request import NANO
from benchmarks.load.result import drawn, result, started_at, trace_notes
from benchmarks.load.run import WorkerResult, run
from benchmarks.load.spec import Spec
from benchmarks.load.workers import local_workers, run_workers
from benchmarks.load_generators.aiperf import run as aiperf
from benchmarks.machine_metrics import Sampler
from benchmarks.prompts import PromptSet, load_prompts, local_tokenizer, served_tokenizer
from benchmarks.results.schema import Request, Result, Subject

S = TypeVar("S", bound=Spec)
LOCAL = ("localhost", "127.0.0.1", "0.0.0.0", "::1", "::")
"""Names of this machine, as a URL has them; connections to 0.0.0.0 and :: stay here."""


async def prepared(spec: S) -> tuple[S, PromptSet]:
    """Returns the load with the name of its model, and its prompts. Raises BadPrompts, LoadFailed
    or OSError, as all here."""
    spec = await with_model(spec)
    return spec, await asyncio.to_thread(_prompts, spec)


async def measure(spec: Spec, prompts: PromptSet, subject: Subject) -> tuple[Result, list[Request]]:
    """Returns the result of a run, and its requests."""
    sampler = _sampler(spec, await metrics_url(spec))
    if spec.engine == "aiperf":
        return await aiperf.run(spec, prompts, subject, sampler)
    order = prompts.order(spec.seed)
    token_ids = await token_ids_hash(spec, order)
    warmth = await warm_up(spec, order)
    await reset_cache(spec)
    async with sampler:
        start, parts = await _run(spec, prompts)
    return result(
        spec,
        subject,
        drawn(prompts, spec.seed, token_ids),
        parts,
        started=started_at(start * NANO, time.monotonic()),
        environment=environment(),
        warmth=warmth,
        series=sampler.series(start * NANO),
        notes=(*sampler.warnings, *trace_notes(spec, prompts, parts)),
    )


async def _run(spec: Spec, prompts: PromptSet) -> tuple[int, list[WorkerResult]]:
    """Returns the start, a stamp of time.monotonic_ns(), and what each client process measured."""
    show = WindowLines(spec)
    if spec.ray is not None:
        async with ray_workers(spec.ray, spec, prompts) as remote:
            return await run_workers(remote, show)
    if spec.procs > 1:
        async with local_workers(spec, prompts) as local:
            return await run_workers(local, show)
    order = prompts.order(spec.seed)
    start = time.monotonic_ns()
    return start, [await run(spec, order, start=start, times=prompts.times, report=show)]


def _prompts(spec: Spec) -> PromptSet:
    """Returns the prompts. Their tokens are counted by the tokenizer that is named, else by the
    service's own."""
    name = spec.prompts.tokenizer
    return load_prompts(
        **spec.prompts.model_dump(exclude={"tokenizer"}),
        seed=spec.seed,
        seconds=spec.duration * spec.trace_speed,
        tokenizer=served_tokenizer(spec.url) if name is None else local_tokenizer(name),
    )


def _sampler(spec: Spec, metrics_url: str | None) -> Sampler:
    """Returns a sampler, of this machine's GPUs only where the endpoint is on it."""
    pids = [] if spec.pid is None else [spec.pid]
    return Sampler(metrics_url=metrics_url, pids=pids, gpus=bool(pids) or is_local(spec.url))


def is_local(url: str) -> bool:
    """Returns whether a URL names this machine."""
    return urlsplit(url).hostname in LOCAL
