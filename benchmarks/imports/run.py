"""What another load generator told of a run, and the result that it makes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.load.spec import Spec
from benchmarks.load.summary import percentile, phase, phase_bounds, windows
from benchmarks.load.verdict import SEND_LAG_LIMIT, USERS_LIMIT, too_few_users, users_reached
from benchmarks.results.schema import (
    FAILED,
    Environment,
    Phase,
    Prompts,
    Request,
    Result,
    Subject,
    Verdict,
    Window,
)

Client = Literal["aiperf", "vllm-bench"]
UNKNOWN = "unknown"
NOWHERE = "http://unknown"
"""Of a run whose files do not name the endpoint."""


JUST_AFTER = 1e-9
"""Seconds after the last request is sent, so that it still belongs to what went before."""


class NotImportable(ValueError):
    """Files that are no run of that tool; one line that names them and says what works."""


@dataclass(frozen=True)
class Foreign:
    """`requests` in the order of their ends, `end` in seconds from the start, `started_at` in ISO
    8601. `cancelled` is whether somebody broke the run off, `ends_of_failures` whether the tool
    tells when a failed request ended."""

    client: Client
    version: str | None
    spec: Spec
    prompts: Prompts
    requests: tuple[Request, ...]
    started_at: str
    end: float
    ends_of_failures: bool = True
    cancelled: bool = False
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    environment: Environment | None = None


def result(foreign: Foreign, subject: Subject | None = None, *, backend: str = UNKNOWN) -> Result:
    """`subject` is what was measured, where more of it is known than the tool told."""
    spec, requests = foreign.spec, foreign.requests
    made = {name: _phase(foreign, at, stop) for name, at, stop in phase_bounds(spec, foreign.end)}
    flat = made.get("plateau") or _phase(foreign, spec.ramp, spec.duration)
    along = windows(spec, requests, foreign.end)
    return Result(
        started_at=foreign.started_at,
        client=foreign.client,
        subject=subject or _subject(foreign, backend),
        load=spec.for_result(foreign.prompts.source),
        prompts=foreign.prompts,
        environment=foreign.environment or _environment(foreign),
        verdict=_verdict(foreign, along, flat),
        ramp=made.get("ramp"),
        plateau=flat,
        drain=made.get("drain"),
        windows=along,
        notes=foreign.notes,
    )


def _phase(foreign: Foreign, start: float, end: float) -> Phase:
    made = phase(foreign.spec, foreign.requests, start, end)
    return made if foreign.ends_of_failures else made.model_copy(update={"error_latency": None})


def _subject(foreign: Foreign, backend: str) -> Subject:
    url = foreign.spec.url
    return Subject(
        backend=backend,
        model=foreign.spec.model or UNKNOWN,
        url=UNKNOWN if url == NOWHERE else url,
    )


def _environment(foreign: Foreign) -> Environment:
    versions = {} if foreign.version is None else {foreign.client: foreign.version}
    return Environment(versions=versions, host=UNKNOWN, cpus=0)


def _verdict(foreign: Foreign, along: Sequence[Window], flat: Phase) -> Verdict:
    """By what can be seen from outside of the client: neither its CPU nor the lag of its loop."""
    spec, requests = foreign.spec, foreign.requests
    lags = [r.sent - r.intended for r in requests if r.intended is not None]
    lag = percentile(lags, 99) if lags else None
    reached = users_reached(along)
    reasons = {
        "it was interrupted": foreign.cancelled,
        "no request of the plateau ended well": flat.end_to_end is None,
        f"requests were sent {(lag or 0) * 1000:.0f} ms late (p99)": (lag or 0) > SEND_LAG_LIMIT,
        too_few_users(spec, reached): (
            spec.users is not None and reached < USERS_LIMIT * spec.users
        ),
    }
    void = tuple(reason for reason, holds in reasons.items() if holds)
    return Verdict(
        valid=not void,
        reasons=void,
        warnings=foreign.warnings,
        loop_lag_p99=None,
        client_cpu=None,
        client_cpu_per_1000_tokens=None,
        send_lag_p99=lag,
        users_reached=reached,
    )


def plateau_end(sent: Sequence[float], end: float) -> float:
    """Of a run of so many requests: when the last is sent, for from there on users are missing. Of
    one that sends most of them at once, its end."""
    last = max(sent) + JUST_AFTER
    return last if last > end / 2 else end


def judged(requests: Sequence[Request]) -> str:
    """How many of them ended well, and how many how else, for a person."""
    counts = Counter(request.outcome for request in requests)
    failed = sum(count for outcome, count in counts.items() if outcome in FAILED)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    return f"{len(requests)} requests, {failed} of them failed ({told})"
