"""The service's counters beside what its clients saw, and what has to be as it was."""

from collections.abc import Iterator

from tests.chaos.outcomes import End, Ledger
from tests.contract.support import Samples
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

OUTCOMES = {
    End.DONE: ("stop", "length"),
    End.REFUSED: ("rejected",),
    End.TOLD: ("error",),
}
"""The names of an end in the service's counters."""


def settled(service: Service) -> Samples:
    """Returns the counters when nothing runs or waits any more."""

    def idle() -> bool:
        samples = Samples(service)
        return samples["requests_running"] == samples["requests_waiting"] == 0

    eventually(idle, DEADLINE, "no place in the engine is held")
    return Samples(service)


def differences(before: Samples, after: Samples, ledger: Ledger) -> Iterator[str]:
    """Yields sentences where the counters of the service differ from those of its clients.

    A client that leaves does not see what becomes of its request, which may have ended in any way,
    or not have come at all.
    """
    counted = after.outcomes() - before.outcomes()
    unknown = ledger.ends[End.LEFT] + ledger.ends[End.LOST]
    for end, names in OUTCOMES.items():
        seen, told = ledger.ends[end], sum(counted[name] for name in names)
        if not seen <= told <= seen + unknown:
            yield f"{told} {end} by the service, {seen} by its clients, {unknown} unknown to them"
    total = sum(counted.values())
    if not ledger.total - ledger.unseen <= total <= ledger.total:
        yield f"{total} requests by the service, {ledger.total} by its clients"
    if grown := after.series - before.series:
        yield f"new series: {sorted(grown)}"
