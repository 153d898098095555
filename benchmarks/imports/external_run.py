"""A run that another load generator made, and the result that its requests give."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from benchmarks.load.spec import Spec
from benchmarks.load.summary import percentile, phase, phase_bounds, windows
from benchmarks.load.verdict import SEND_LAG_LIMIT, USERS_LIMIT, too_few_users, users_reached
from benchmarks.results.schema import (
    Environment,
    Outcome,
    Phase,
    Prompts,
    Request,
    Result,
    Subject,
    Verdict,
    Window,
)

UNKNOWN = "unknown"
UNKNOWN_URL = "http://unknown"
"""Stands for the endpoint of a run whose files do not name it."""
ERROR_CHARACTERS = 300
"""How much of an error's text a request keeps."""
OUTCOMES = {
    "Timeout": Outcome.TIMEOUT,
    "RequestCancel": Outcome.UNFINISHED,
    "ClientPayload": Outcome.CUT,
    "InvalidInferenceResult": Outcome.IN_BAND_ERROR,
    "JSONDecodeError": Outcome.IN_BAND_ERROR,
    "KeyError": Outcome.IN_BAND_ERROR,
    "IndexError": Outcome.IN_BAND_ERROR,
    "TypeError": Outcome.IN_BAND_ERROR,
}
"""Outcomes by a part of an exception's name; what a tool cannot parse is no chunk of an answer."""
JUST_AFTER = 1e-9
"""Seconds by which a plateau outlasts its last request's sending, so that it contains it."""


class NotImportable(ValueError):
    """The files are no run of that tool. The message is one line: it names them and what works."""


@dataclass(frozen=True)
class ExternalRun:
    """A run as its tool recorded it.

    `requests` are in the order of their ends, `end` is in seconds from the start, `started_at` in
    ISO 8601. `has_failure_ends` says whether the tool records when a failed request ended.
    """

    client: Literal["aiperf", "vllm-bench"]
    version: str | None
    spec: Spec
    prompts: Prompts
    requests: tuple[Request, ...]
    started_at: str
    end: float
    cancelled: bool = False
    has_failure_ends: bool = True
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def result(run: ExternalRun, subject: Subject | None = None, *, backend: str = UNKNOWN) -> Result:
    """Returns the result; `subject` is what was measured, where more is known than the tool's."""
    spec = run.spec
    by_name = {name: _phase(run, start, end) for name, start, end in phase_bounds(spec, run.end)}
    plateau = by_name.get("plateau") or _phase(run, spec.ramp, spec.duration)
    timeline = windows(spec, run.requests, run.end)
    versions = {} if run.version is None else {run.client: run.version}
    url = UNKNOWN if spec.url == UNKNOWN_URL else spec.url
    return Result(
        started_at=run.started_at,
        client=run.client,
        subject=subject or Subject(backend=backend, model=spec.model or UNKNOWN, url=url),
        load=spec.for_result(run.prompts.source),
        prompts=run.prompts,
        environment=Environment(versions=versions, host=UNKNOWN, cpus=0),
        verdict=_verdict(run, timeline, plateau),
        ramp=by_name.get("ramp"),
        plateau=plateau,
        drain=by_name.get("drain"),
        windows=timeline,
        notes=run.notes,
    )


def _phase(run: ExternalRun, start: float, end: float) -> Phase:
    judged = phase(run.spec, run.requests, start, end)
    return judged if run.has_failure_ends else judged.model_copy(update={"error_latency": None})


def _verdict(run: ExternalRun, timeline: Sequence[Window], plateau: Phase) -> Verdict:
    """Judges by what is visible from outside, which a client's CPU and loop lag are not."""
    lags = [r.sent - r.intended for r in run.requests if r.intended is not None]
    lag = percentile(lags, 99)
    reached, users = users_reached(timeline), run.spec.users
    conditions = {
        "it was interrupted": run.cancelled,
        "no request of the plateau ended well": plateau.end_to_end is None,
        f"requests were sent {lag * 1000:.0f} ms late (p99)": lag > SEND_LAG_LIMIT,
        too_few_users(run.spec, reached): users is not None and reached < USERS_LIMIT * users,
    }
    reasons = tuple(reason for reason, holds in conditions.items() if holds)
    return Verdict(
        valid=not reasons,
        reasons=reasons,
        warnings=run.warnings,
        loop_lag_p99=None,
        client_cpu=None,
        client_cpu_per_1000_tokens=None,
        send_lag_p99=lag if lags else None,
        users_reached=reached,
    )


def plateau_end(requests: Sequence[Request], end: float) -> float:
    """Returns where the plateau of a run of a fixed number of requests ends, in seconds.

    That is when the last request is sent, for from then on users are missing; but `end` for a run
    that sends most of them at once.
    """
    last = max(request.sent for request in requests) + JUST_AFTER
    return last if last > end / 2 else end


def chunk_fields(first: float | None, gaps: Sequence[float]) -> dict[str, Any]:
    """Returns the fields of a request that tell of its chunks, `first` and `gaps` in seconds."""
    if first is None:
        return {}
    last = sum(gaps, start=first)
    return {"first_token": first, "last_token": last, "chunks": 1 + len(gaps), "gaps": gaps}


def outcome_of_error(name: str, *, answered: bool, status: int | None = None) -> Outcome:
    """Returns how a request ended whose tool recorded an exception of that name."""
    for part, outcome in OUTCOMES.items():
        if part in name:
            return outcome
    if status is not None:
        return Outcome.HTTP_ERROR
    return Outcome.CUT if answered else Outcome.UNREACHABLE


def one_line(text: str) -> str:
    """Returns an error's text as a request keeps it."""
    return " ".join(text.split())[:ERROR_CHARACTERS]


@contextmanager
def import_errors(where: Path | str, hint: str = "") -> Iterator[None]:
    """Raises NotImportable for what cannot be read or validated: `where`, the reason, `hint`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
    except ValidationError as error:
        first = error.errors()[0]
        field = "".join(f"{part}." for part in first["loc"]).removesuffix(".")
        message = first["msg"].removeprefix("Value error, ")
        reason = f"{field}: {message}" if field else message
    else:
        return
    raise NotImportable(f"{where}: {reason}{hint}")
