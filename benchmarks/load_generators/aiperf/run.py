"""A run of aiperf by a spec of ours, and the result that its records make."""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.environment import environment
from benchmarks.imports.aiperf import (
    NOTES,
    RECORDS,
    VERSION,
    measured,
    read_requests,
    started_at,
)
from benchmarks.imports.external_run import NotImportable
from benchmarks.load.prepare import warm_up
from benchmarks.load.result import drawn, result
from benchmarks.load.spec import Spec
from benchmarks.load_generators.aiperf.command import (
    INPUT_PROMPTS,
    arguments,
    check_supported,
    prompt_id,
    write_inputs,
)
from benchmarks.load_generators.aiperf.process import (
    LoadGeneratorFailed,
    check_version,
    command_line,
    failure_reason,
    find_program,
    run_process,
)
from benchmarks.machine_metrics import Sampler
from benchmarks.prompts import Order, PromptSet
from benchmarks.results.schema import Phase, Request, Result, Series, Subject

NANO = 1e-9


async def run(
    spec: Spec,
    prompts: PromptSet,
    subject: Subject,
    sampler: Sampler,
    *,
    program: Path | None = None,
) -> tuple[Result, list[Request]]:
    """Returns the result and its requests; `sampler` has not been entered.

    Raises LoadGeneratorFailed, or NotReady where the endpoint does not answer the warm-up.
    """
    check_supported(spec, prompts)
    program = program or find_program()
    await check_version(program)
    order = prompts.order(spec.seed)
    await warm_up(spec, order)
    async with sampler:
        start, requests, interrupted = await _measure(program, spec, order)
    notes = [*NOTES, *sampler.warnings]
    if len(requests) > INPUT_PROMPTS:
        notes.append(f"after {INPUT_PROMPTS} prompts aiperf began again with the first")
    here = environment()
    versions = here.versions | {"aiperf": VERSION}
    series = sampler.series(_monotonic(start))
    judged, requests = result(
        spec,
        subject,
        drawn(prompts, spec.seed),
        [measured(spec, requests, interrupted=interrupted)],
        started=started_at(start),
        environment=here.model_copy(update={"versions": versions}),
        client="aiperf",
        series=series,
        notes=notes,
    )
    client_cpu = _client_cpu(series, judged.plateau)
    verdict = judged.verdict.model_copy(update={"client_cpu": client_cpu})
    return judged.model_copy(update={"verdict": verdict}), requests


async def _measure(program: Path, spec: Spec, order: Order) -> tuple[int, list[Request], bool]:
    """Returns the start in nanoseconds since 1970, the requests, and whether it was interrupted.

    aiperf also ends with an error where every request failed, but leaves its records.
    """
    with TemporaryDirectory(prefix="aiperf-") as name:
        folder = Path(name)
        records = folder / "artifacts" / RECORDS
        write_inputs(spec, order, folder)
        command = command_line(program, arguments(spec, folder, records.parent))
        exited = await run_process(command, spec.duration + spec.drain)
        if not records.exists() or not records.read_bytes().strip():
            reason = "interrupted" if exited.interrupted else failure_reason(exited.output)
            raise LoadGeneratorFailed(f"aiperf ended with {exited.status} and no record: {reason}")
        try:
            start, requests = read_requests(records, is_open=spec.mode != "closed")
        except NotImportable as error:
            raise LoadGeneratorFailed(str(error)) from None
    named = [each.model_copy(update={"prompt": prompt_id(each.prompt)}) for each in requests]
    return start, named, exited.interrupted


def _client_cpu(series: Sequence[Series], plateau: Phase) -> float | None:
    """Returns the cores that aiperf's processes used on average.

    One of them never waits, so that this says nothing of whether it kept up: the users in flight
    do.
    """
    used = [
        value
        for one in series
        if (one.source, one.name) == ("client", "cpu")
        for at, value in one.points
        if plateau.start <= at < plateau.end
    ]
    return sum(used) / len(used) if used else None


def _monotonic(stamp: int) -> float:
    """Returns what time.monotonic() was at a stamp in nanoseconds since 1970."""
    return time.monotonic() - (time.time() - stamp * NANO)
