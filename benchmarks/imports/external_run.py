"""What the files of other load generators have in common, and how they are refused."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.results.schema import Outcome, Request
from common.messages import one_line

UNKNOWN = "unknown"
WINDOW = 5.0
TIMEOUT = 6 * 60 * 60.0
"""Seconds for a request, where neither tool was given any."""
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
    known = (outcome for part, outcome in OUTCOMES.items() if part in name)
    other = Outcome.CUT if answered else Outcome.UNREACHABLE
    return next(known, other if status is None else Outcome.HTTP_ERROR)


@contextmanager
def import_errors(where: Path | str, hint: str = "") -> Iterator[None]:
    """Raises NotImportable for what cannot be read or validated: `where`, the reason, `hint`."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else one_line(error)
        raise NotImportable(f"{where}: {reason}{hint}") from None
