"""A run of aiperf by a spec of ours, and the result that its records make."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.engines.aiperf import process
from benchmarks.engines.aiperf.command import PROMPTS, arguments, prompt_of, refuse, write_files
from benchmarks.engines.aiperf.errors import EngineFailed
from benchmarks.engines.aiperf.program import VERSION, check, find
from benchmarks.environment import environment
from benchmarks.imports import aiperf
from benchmarks.imports.aiperf_records import RECORDS, Record, read_records, requests, start_of
from benchmarks.imports.run import NotImportable, result
from benchmarks.load.before import warm_up
from benchmarks.load.result import cost
from benchmarks.load.spec import Spec
from benchmarks.prompts import PromptSet
from benchmarks.results.schema import Prompts, Request, Result, Subject
from benchmarks.samples import Sampler

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
    with TemporaryDirectory(prefix="aiperf-") as name:
        folder = Path(name)
        artifacts = folder / "artifacts"
        write_files(spec, order, folder)
        command = process.command(found, arguments(spec, folder, artifacts))
        async with sampler:
            status, output = await process.run(command, spec.duration + spec.drain)
        records = _records(artifacts / RECORDS, status, output)
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
    return _result(spec, about, records, made, subject, sampler, price_per_hour), made


def _records(path: Path, status: int, output: str) -> list[Record]:
    """aiperf also ends with an error where every request failed; then they are there."""
    if not path.exists() or not path.read_bytes().strip():
        raise EngineFailed(f"aiperf ended with {status}: {process.reason(output)}")
    try:
        return read_records(path)
    except NotImportable as error:
        raise EngineFailed(str(error)) from None


def _result(
    spec: Spec,
    prompts: Prompts,
    records: Sequence[Record],
    made: Sequence[Request],
    subject: Subject,
    sampler: Sampler,
    price_per_hour: float | None,
) -> Result:
    told = aiperf.foreign(spec, prompts, records, made, VERSION)
    notes = [*told.notes, *sampler.warnings]
    if len(made) > PROMPTS:
        notes.append(f"after {PROMPTS} prompts aiperf began again with the first")
    here = environment()
    versions = here.versions | {"aiperf": VERSION}
    about = here.model_copy(update={"versions": versions})
    whole = result(replace(told, notes=tuple(notes), environment=about), subject)
    series = sampler.series(_monotonic(start_of(records)))
    paid = cost(whole.plateau, series, price_per_hour)
    return whole.model_copy(update={"series": series, "cost": paid})


def _monotonic(stamp: int) -> float:
    """Of nanoseconds since 1970: what time.monotonic() said then."""
    return time.monotonic() - (time.time() - stamp * NANO)
