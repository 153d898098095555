"""profile_export.jsonl of aiperf: one record for each request."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.imports.run import NotImportable
from benchmarks.results.schema import Outcome, Request

RECORDS = "profile_export.jsonl"
NANO = 1e-9
MILLI = 1e-3
PROFILING = "profiling"
SHOWN = 300
"""Characters of an error's text."""
ERRORS = {
    "ClientConnector": Outcome.UNREACHABLE,
    "Timeout": Outcome.TIMEOUT,
    "RequestCancel": Outcome.UNFINISHED,
    "ClientPayload": Outcome.CUT,
    "ClientOS": Outcome.CUT,
    "ServerDisconnected": Outcome.CUT,
    "ConnectionReset": Outcome.CUT,
    "InvalidInferenceResult": Outcome.IN_BAND_ERROR,
}
"""By what the type of aiperf's error has in it."""
NO_USAGE = "no usage came: the stream had an error event inside, or broke off"


class Told(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Metadata(Told):
    """Stamps in nanoseconds since 1970."""

    session_num: int
    conversation_id: str | None = None
    turn_index: int = 0
    credit_issued_ns: int
    request_start_ns: int
    request_ack_ns: int | None = None
    request_end_ns: int
    benchmark_phase: str
    was_cancelled: bool = False


class Value(Told):
    value: float | list[float]


class Failure(Told):
    code: int | None = None
    type: str | None = None
    message: str = ""


class Record(Told):
    metadata: Metadata
    metrics: dict[str, Value]
    error: Failure | None = None

    def number(self, name: str) -> float | None:
        found = self.metrics.get(name)
        return found.value if found is not None and not isinstance(found.value, list) else None

    def count(self, name: str) -> int | None:
        found = self.number(name)
        return None if found is None else round(found)

    def gaps(self) -> tuple[float, ...]:
        """Seconds between chunks."""
        found = self.metrics.get("inter_chunk_latency")
        values = found.value if found is not None and isinstance(found.value, list) else []
        return tuple(value * MILLI for value in values)


def read_records(path: Path) -> list[Record]:
    """Those of the measured phase, not of the warm-up. Raises NotImportable."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise NotImportable(
            f"{path}: {reason}; aiperf writes it with --export-level records"
        ) from None
    found = [_record(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    records = [each for each in found if each.metadata.benchmark_phase == PROFILING]
    if not records:
        raise NotImportable(f"{path} has no request of the phase that was measured")
    if not any("usage_completion_tokens" in each.metrics for each in records) and any(
        each.error is None for each in records
    ):
        raise NotImportable(
            f"{path} has no server's count of tokens, by which answers are judged: run aiperf with "
            "--use-server-token-count, against a server that sends usage"
        )
    return records


def _record(path: Path, number: int, line: str) -> Record:
    try:
        return Record.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        raise NotImportable(f"{path}, line {number}: {where}: {first['msg']}") from None


def start_of(records: Sequence[Record]) -> int:
    """Nanoseconds since 1970 when the first request was there to be sent."""
    return min(record.metadata.credit_issued_ns for record in records)


def requests(records: Sequence[Record], *, opened: bool = False) -> list[Request]:
    """In the order of their ends; `opened` is whether they came in an open loop."""
    start = start_of(records)
    made = [_request(record, start, opened=opened) for record in records]
    return sorted(made, key=lambda each: each.ended)


def _request(record: Record, start: int, *, opened: bool) -> Request:
    about, first = record.metadata, record.number("time_to_first_token")
    sent = (about.request_start_ns - start) * NANO
    gaps = record.gaps() if first is not None else ()
    stamps = () if first is None else tuple(accumulate(gaps, initial=sent + first * MILLI))
    outcome, status, said = _judged(record)
    tokens = record.count("usage_completion_tokens")
    ack = about.request_ack_ns
    return Request(
        index=about.session_num,
        user=0,
        turn=about.turn_index,
        prompt=about.conversation_id or "",
        intended=(about.credit_issued_ns - start) * NANO if opened else None,
        sent=sent,
        headers=None if ack is None else (ack - start) * NANO,
        first_token=stamps[0] if stamps else None,
        last_token=stamps[-1] if stamps else None,
        ended=(about.request_end_ns - start) * NANO,
        outcome=outcome,
        status=status,
        error=said,
        prompt_tokens=record.count("usage_prompt_tokens"),
        output_tokens=tokens,
        cached_tokens=record.count("usage_prompt_cache_read_tokens"),
        tokens_from=None if tokens is None else "usage",
        chunks=len(stamps),
        gaps=gaps,
    )


def _judged(record: Record) -> tuple[Outcome, int | None, str | None]:
    """With the HTTP status and the text of an error, in one line."""
    error = record.error
    if record.metadata.was_cancelled:
        return Outcome.UNFINISHED, None, None
    if error is None:
        if record.count("usage_completion_tokens") is None:
            return Outcome.IN_BAND_ERROR, 200, NO_USAGE
        return Outcome.OK, 200, None
    said = " ".join(error.message.split())[:SHOWN] or error.type
    named = next((ended for name, ended in ERRORS.items() if name in (error.type or "")), None)
    if named is not None:
        return named, None, said
    if error.code is not None:
        return Outcome.HTTP_ERROR, error.code, said
    answered = record.metadata.request_ack_ns is not None
    return Outcome.CUT if answered else Outcome.UNREACHABLE, None, said
