"""Whether the client measured the server, or itself."""

from collections.abc import Sequence

from benchmarks.load.health import Health
from benchmarks.load.spec import Spec
from benchmarks.load.statistics import percentile
from benchmarks.load.users import LONGEST
from benchmarks.load.windows import FAILED
from benchmarks.results.schema import Outcome, Phase, Request, Verdict, Window

LAG_LIMIT, LAG_WARNING = 0.05, 0.01
"""Seconds of the event loop's 99th percentile: a stamp may be late by so much."""
CPU_LIMIT, CPU_WARNING = 0.9, 0.7
"""Of a core, of each client process: it has one event loop."""
SEND_LAG_LIMIT = 0.05
"""Seconds by which an open loop sent a request too late, or a user came too late."""
USERS_LIMIT = 0.9
"""Of the users, in flight on average over the plateau."""


def verdict(
    spec: Spec,
    requests: Sequence[Request],
    windows: Sequence[Window],
    plateau: Phase,
    healths: Sequence[Health],
    *,
    interrupted: bool = False,
) -> Verdict:
    """Void for any of the reasons."""
    lag = max(health.loop_lag_p99 for health in healths)
    cpu = max(health.cpu for health in healths)
    send_lag = percentile(_send_lags(spec, requests), 99)
    unknown = sum(r.outcome is Outcome.OK and r.output_tokens is None for r in requests)
    flat = [window for window in windows if window.phase == "plateau"]
    seconds = sum(window.seconds for window in flat)
    reached = sum(w.in_flight * w.seconds for w in flat) / seconds if seconds else 0.0
    more = "; spread the users over more processes (--procs)"
    reasons = {
        "it was interrupted": interrupted,
        "no request of the plateau ended well": plateau.end_to_end is None,
        f"nobody counted the tokens of {unknown} answers: their stream has no usage, and the "
        "endpoint no POST /tokenize": unknown > 0,
        f"the client's event loop lagged by {lag * 1000:.0f} ms (p99){more}": lag > LAG_LIMIT,
        f"the client used {cpu:.0%} of a core{more}": cpu > CPU_LIMIT,
        f"requests were sent {send_lag * 1000:.0f} ms late (p99){more}": send_lag > SEND_LAG_LIMIT,
        f"only {reached:.1f} of {spec.users} users were in flight": (
            spec.users is not None
            and reached + _backing_off(requests, plateau) < USERS_LIMIT * spec.users
        ),
    }
    unfinished = plateau.outcomes.get(Outcome.UNFINISHED, 0)
    warnings = {
        f"{unfinished} requests of the plateau had no end after the drain: the latencies lack the "
        "slowest (--drain)": unfinished > 0,
        f"the client's event loop lagged by {lag * 1000:.0f} ms (p99)": (
            LAG_WARNING < lag <= LAG_LIMIT
        ),
        f"the client used {cpu:.0%} of a core": CPU_WARNING < cpu <= CPU_LIMIT,
    }
    void = [reason for reason, holds in reasons.items() if holds]
    tokens = sum(request.output_tokens or 0 for request in requests)
    spent = sum(health.cpu_seconds for health in healths)
    return Verdict(
        valid=not void,
        reasons=tuple(void),
        warnings=tuple(warning for warning, holds in warnings.items() if holds),
        loop_lag_p99=lag,
        client_cpu=cpu,
        client_cpu_per_1000_tokens=spent / tokens * 1000 if tokens else None,
        send_lag_p99=send_lag,
        users_reached=reached,
    )


def _backing_off(requests: Sequence[Request], plateau: Phase) -> float:
    """Users, on average, who wait after a failure: that is the server's doing."""
    following: dict[int, float] = {}
    waited = 0.0
    for request in sorted(requests, key=lambda each: each.sent, reverse=True):
        if request.outcome in FAILED and plateau.start <= request.ended < plateau.end:
            until = min(following.get(request.user, plateau.end), plateau.end)
            waited += max(0.0, min(LONGEST, until - request.ended))
        following[request.user] = request.sent
    return waited / (plateau.end - plateau.start)


def _send_lags(spec: Spec, requests: Sequence[Request]) -> list[float]:
    """In a closed loop only a user's first request has a time that was set beforehand."""
    if spec.users is None:
        return [r.sent - r.intended for r in requests if r.intended is not None]
    first: dict[int, float] = {}
    for request in requests:
        first[request.user] = min(request.sent, first.get(request.user, request.sent))
    return [sent - spec.ramp * user / spec.users for user, sent in first.items()]
