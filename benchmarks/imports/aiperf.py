"""The artifacts of `aiperf profile`, with each of its records judged again.

aiperf counts an answer with an error event inside as ended well. Such an answer has no usage, which
every complete one has where --use-server-token-count asked for it.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasPath, BaseModel, Field

from benchmarks.imports.external_run import (
    TIMEOUT,
    UNKNOWN,
    WINDOW,
    NotImportable,
    chunk_fields,
    import_errors,
    outcome_of_error,
    plateau_end,
)
from benchmarks.load.result import result
from benchmarks.load.run import WorkerResult
from benchmarks.load.spec import Spec
from benchmarks.results.schema import Environment, Outcome, Prompts, Request, Result, Subject
from common.messages import one_line

VERSION = "0.13.0"
RECORDS, SUMMARY = "profile_export.jsonl", "profile_export_aiperf.json"
NANO, MILLI = 1e-9, 1e-3
NO_USAGE = "no usage came: the stream had an error event inside, or broke off"
NOTES = (
    "a request without the server's count of its tokens counts as failed, whatever aiperf says",
    "aiperf leaves out the requests that it cancels after its grace period",
    "aiperf does not tell what came of a request before its connection was cut",
)


def _config(*path: str | int, default: Any = ...) -> Any:
    return Field(default, validation_alias=AliasPath("input_config", *path))


def _metadata(name: str, default: Any = ...) -> Any:
    return Field(default, validation_alias=AliasPath("metadata", name))


def _metric(name: str, default: Any = None) -> Any:
    return Field(default, validation_alias=AliasPath("metrics", name, "value"))


class LoadPhase(BaseModel):
    kind: str
    type: str
    duration: float | None = None
    concurrency: int | None = None
    ramp: float = Field(0.0, validation_alias=AliasPath("concurrency_ramp", "duration"))
    rate: float | None = None


class Summary(BaseModel):
    """Holds what is read of profile_export_aiperf.json; times are in seconds."""

    aiperf_version: str
    was_cancelled: bool = False
    url: str = _config("endpoint", "urls", 0)
    protocol: Literal["chat", "completions"] = _config("endpoint", "type")
    streaming: Literal[True] = _config("endpoint", "streaming")
    timeout: float = _config("endpoint", "timeout", default=TIMEOUT)
    model: str = _config("models", "items", 0, "name")
    prompt_file: str | None = _config("datasets", 0, "path", default=None)
    prompt_format: str | None = _config("datasets", 0, "format", default=None)
    seed: int | None = _config("datasets", 0, "random_seed", default=None)
    max_tokens: float | None = _config("datasets", 0, "osl", "mean", default=None)
    window: float | None = _config("artifacts", "slice_duration", default=None)
    phases: tuple[LoadPhase, ...] = _config("phases")


class RecordError(BaseModel):
    code: int | None = None
    type: str | None = None
    message: str = ""


class RequestRecord(BaseModel):
    """A line of profile_export.jsonl; stamps are nanoseconds since 1970, durations milliseconds."""

    index: int = _metadata("session_num")
    prompt: str | None = _metadata("conversation_id", None)
    turn: int = _metadata("turn_index", 0)
    issued: int = _metadata("credit_issued_ns")
    started: int = _metadata("request_start_ns")
    acknowledged: int | None = _metadata("request_ack_ns", None)
    ended: int = _metadata("request_end_ns")
    phase: str = _metadata("benchmark_phase")
    cancelled: bool = _metadata("was_cancelled", False)
    first_token: float | None = _metric("time_to_first_token")
    gaps: tuple[float, ...] = _metric("inter_chunk_latency", ())
    prompt_tokens: int | None = _metric("usage_prompt_tokens")
    output_tokens: int | None = _metric("usage_completion_tokens")
    cached_tokens: int | None = _metric("usage_prompt_cache_read_tokens")
    error: RecordError | None = None


def read(folder: Path) -> tuple[Result, list[Request]]:
    """Returns the result of the run whose artifacts lie in `folder`, and its requests.

    Raises NotImportable.
    """
    path = folder / SUMMARY
    if not path.exists():
        raise NotImportable(f"{path} is missing: aiperf writes none where every request failed")
    with import_errors(path):
        summary = Summary.model_validate_json(path.read_bytes())
    is_open = any(phase.rate is not None for phase in summary.phases)
    start, requests = read_requests(folder / RECORDS, is_open=is_open)
    with import_errors(path):
        spec = _spec(summary, requests)
    file = summary.prompt_file
    prompts = Prompts(
        source=Path(file).name if file else summary.prompt_format or "synthetic",
        count=len({request.prompt for request in requests}),
        hash="",
        seed=summary.seed or 0,
    )
    return result(
        spec,
        Subject(backend=UNKNOWN, model=summary.model, url=spec.url),
        prompts,
        [measured(spec, requests, interrupted=summary.was_cancelled)],
        started=started_at(start),
        environment=Environment(versions={"aiperf": summary.aiperf_version}, host=UNKNOWN, cpus=0),
        client="aiperf",
        notes=NOTES,
    )


def started_at(start: int) -> str:
    """Returns a stamp in nanoseconds since 1970 in ISO 8601."""
    return datetime.fromtimestamp(start * NANO, UTC).isoformat()


def measured(spec: Spec, requests: Sequence[Request], *, interrupted: bool) -> WorkerResult:
    """Returns what aiperf measured; `requests` are in the order of their ends."""
    last = requests[-1].ended
    end = last if interrupted else max(spec.duration, last)
    return WorkerResult(requests=tuple(requests), end=end, interrupted=interrupted)


def read_requests(path: Path, *, is_open: bool) -> tuple[int, list[Request]]:
    """Returns when the first request was ready, in nanoseconds since 1970, and all requests.

    They are those of the measured phase, in the order of their ends, and have the times at which
    they were due where the loop `is_open`. Raises NotImportable.
    """
    records = [each for each in _records(path) if each.phase == "profiling"]
    if not records:
        raise NotImportable(f"{path} has no request of the phase that was measured")
    if all(each.output_tokens is None for each in records) and any(
        each.error is None for each in records
    ):
        raise NotImportable(
            f"{path} has no server's count of tokens, by which answers are judged: run aiperf with "
            "--use-server-token-count, against a server that sends usage"
        )
    start = min(record.issued for record in records)
    requests = [_request(record, start, is_open=is_open) for record in records]
    return start, sorted(requests, key=lambda each: each.ended)


def _records(path: Path) -> Iterator[RequestRecord]:
    with import_errors(path, "; aiperf writes it with --export-level records"):
        lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            with import_errors(f"{path}, line {number}"):
                yield RequestRecord.model_validate_json(line)


def _request(record: RequestRecord, start: int, *, is_open: bool) -> Request:
    sent = (record.started - start) * NANO
    first = None if record.first_token is None else sent + record.first_token * MILLI
    outcome, status, message = _outcome(record)
    acknowledged = record.acknowledged
    return Request(
        index=record.index,
        user=0,
        turn=record.turn,
        prompt=record.prompt or "",
        intended=(record.issued - start) * NANO if is_open else None,
        sent=sent,
        headers=None if acknowledged is None else (acknowledged - start) * NANO,
        ended=(record.ended - start) * NANO,
        outcome=outcome,
        status=status,
        error=message,
        prompt_tokens=record.prompt_tokens,
        output_tokens=record.output_tokens,
        cached_tokens=record.cached_tokens,
        tokens_from=None if record.output_tokens is None else "usage",
        **chunk_fields(first, [gap * MILLI for gap in record.gaps]),
    )


def _outcome(record: RequestRecord) -> tuple[Outcome, int | None, str | None]:
    """Returns the outcome, the HTTP status and the error's text in one line."""
    error = record.error
    if record.cancelled:
        return Outcome.UNFINISHED, None, None
    if error is None:
        complete = record.output_tokens is not None
        return (Outcome.OK, 200, None) if complete else (Outcome.IN_BAND_ERROR, 200, NO_USAGE)
    message, answered = one_line(error.message) or error.type, record.acknowledged is not None
    outcome = outcome_of_error(error.type or "", answered=answered, status=error.code)
    return outcome, error.code if outcome is Outcome.HTTP_ERROR else None, message


def _spec(summary: Summary, requests: Sequence[Request]) -> Spec:
    """Returns the load that aiperf was asked for. Raises ValueError for one unknown here."""
    phases = [phase for phase in summary.phases if phase.kind == "profiling"]
    if len(phases) != 1:
        raise ValueError(f"it has {len(phases)} profiling phases: has to have one")
    phase = phases[0]
    closed = phase.type == "concurrency"
    return Spec.model_validate({
        "url": summary.url,
        "model": summary.model,
        "protocol": summary.protocol,
        "mode": "closed" if closed else phase.type,
        "users": phase.concurrency if closed else None,
        "rate": None if closed else phase.rate,
        "ramp": phase.ramp if closed else 0.0,
        "duration": phase.duration or plateau_end(requests, requests[-1].ended),
        "window": summary.window or WINDOW,
        "max_tokens": None if summary.max_tokens is None else round(summary.max_tokens),
        "timeout": summary.timeout,
    })  # fmt: skip
