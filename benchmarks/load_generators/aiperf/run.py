"""A run of aiperf by a spec of ours, and the result that its records make."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.environment import environment
from benchmarks.imports import aiperf
from benchmarks.imports.aiperf_records import RECORDS, Record, read_records, requests, start_of
from benchmarks.imports.run import Foreign, NotImportable, result
from benchmarks.load.prepare import warm_up
from benchmarks.load.result import cost
from benchmarks.load.spec import Spec
from benchmarks.load_generators.aiperf import process
from benchmarks.load_generators.aiperf.command import (
    PROMPTS,
    arguments,
    prompt_of,
    refuse,
    write_files,
)
from benchmarks.load_generators.aiperf.errors import EngineFailed
from benchmarks.load_generators.aiperf.program import VERSION, check, find
from benchmarks.machine_metrics import Sampler
from benchmarks.prompts import Order, PromptSet
from benchmarks.results.schema import Phase, Prompts, Request, Result, Series, Subject

NANO = 1e-9


async def run(
    spec: Spec,
    prompts: PromptSet,
    subject: Subject,
    sampler: Sampler,
    *,
    price_per_hour: float | None = None,
    program: Path | None = None,
) -> tuple[Result, list[Request]]:
    """`sampler` has not begun. Raises EngineFailed or NotReady."""
    refuse(spec, prompts)
    found = program or find()
    await check(found)
    order = prompts.order(spec.seed)
    await warm_up(spec, order)
    async with sampler:
        records, interrupted = await _records(found, spec, order)
    made = [
        each.model_copy(update={"prompt": prompt_of(each.prompt)})
        for each in requests(records, opened=spec.mode != "closed")
    ]
    about = Prompts(
        source=prompts.source,
        count=len(prompts.prompts),
        skipped=prompts.skipped,
        hash=order.hash,
        seed=spec.seed,
    )
    told = aiperf.foreign(spec, about, records, made, VERSION, cancelled=interrupted)
    told = replace(told, notes=(*told.notes, *sampler.warnings))
    series = sampler.series(_monotonic(start_of(records)))
    return _result(told, subject, series, price_per_hour), made


async def _records(program: Path, spec: Spec, order: Order) -> tuple[list[Record], bool]:
    """And whether aiperf was interrupted. It also ends with an error where every request failed,
    but leaves its records."""
    with TemporaryDirectory(prefix="aiperf-") as name:
        folder = Path(name)
        artifacts = folder / "artifacts"
        write_files(spec, order, folder)
        command = process.command(program, arguments(spec, folder, artifacts))
        ended = await process.run(command, spec.duration + spec.drain)
        path = artifacts / RECORDS
        if not path.exists() or not path.read_bytes().strip():
            said = "interrupted" if ended.interrupted else process.reason(ended.output)
            raise EngineFailed(f"aiperf ended with {ended.status} and no record: {said}")
        try:
            return read_records(path), ended.interrupted
        except NotImportable as error:
            raise EngineFailed(str(error)) from None


def _result(
    told: Foreign,
    subject: Subject,
    series: Sequence[Series],
    price_per_hour: float | None,
) -> Result:
    notes = [*told.notes]
    if len(told.requests) > PROMPTS:
        notes.append(f"after {PROMPTS} prompts aiperf began again with the first")
    here = environment()
    about = here.model_copy(update={"versions": here.versions | {"aiperf": VERSION}})
    whole = result(replace(told, notes=tuple(notes), environment=about), subject)
    flat = whole.plateau
    verdict = whole.verdict.model_copy(update={"client_cpu": _cpu(series, flat)})
    paid = cost(flat, series, price_per_hour)
    return whole.model_copy(update={"series": tuple(series), "cost": paid, "verdict": verdict})


def _cpu(series: Sequence[Series], plateau: Phase) -> float | None:
    """Cores that aiperf and all its processes used on average. One of them never waits, so that
    this says nothing of whether it kept up: the users in flight do."""
    used = [
        value
        for one in series
        if (one.source, one.name) == ("client", "cpu")
        for at, value in one.points
        if plateau.start <= at < plateau.end
    ]
    return sum(used) / len(used) if used else None


def _monotonic(stamp: int) -> float:
    """Of nanoseconds since 1970: what time.monotonic() said then."""
    return time.monotonic() - (time.time() - stamp * NANO)
