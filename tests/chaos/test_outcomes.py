"""What a client saw of a request becomes exactly one end, and what may not be is a sentence."""

import pytest

from benchmarks.load.request import Sent
from benchmarks.load.stream import TextStream
from benchmarks.results.schema import Outcome
from tests.chaos.faults import Cost, Fault, nothing
from tests.chaos.outcomes import End, Ledger
from tests.chaos.rounds import broken_rules

RIGHT = "Paris."


def sent(outcome: Outcome, text: str = "", error: str | None = None) -> Sent:
    """Returns a request whose answer was `text` so far."""
    reader = TextStream()
    reader.feed(text.encode())
    request = Sent(0, 0, 0, "id", 0, outcome=outcome, error=error, reader=reader)
    request.headers = 1 if text else None
    return request


def ledger(*requests: Sent, cut: End = End.TOLD) -> Ledger:
    made = Ledger()
    for request in requests:
        made.add(request, RIGHT, cut=cut)
    return made


@pytest.mark.parametrize(
    ("request_", "end"),
    [
        (sent(Outcome.OK, RIGHT), End.DONE),
        (sent(Outcome.UNFINISHED, "Par"), End.LEFT),
        (sent(Outcome.HTTP_ERROR, error='{"error": {"code": "overloaded"}}'), End.REFUSED),
        (sent(Outcome.HTTP_ERROR, error='{"error":{"code":"engine_dead"}}'), End.TOLD),
        (sent(Outcome.IN_BAND_ERROR, "P", "the engine has died"), End.TOLD),
        (sent(Outcome.CUT, "P"), End.TOLD),
        (sent(Outcome.UNREACHABLE), End.LOST),
    ],
)
def test_each_request_has_one_end(request_: Sent, end: End) -> None:
    made = ledger(request_)
    assert made.ends == {end: 1}
    assert made.wrong == []


@pytest.mark.parametrize(
    "request_",
    [
        sent(Outcome.OK, "Par"),
        sent(Outcome.OK, RIGHT + "x"),
        sent(Outcome.CUT, "Rome"),
        sent(Outcome.HTTP_ERROR, error="Bad Gateway"),
        sent(Outcome.TIMEOUT, "P"),
    ],
)
def test_what_no_fault_excuses_is_told(request_: Sent) -> None:
    assert len(ledger(request_).wrong) == 1


def test_only_a_fault_that_ends_the_process_excuses_answers_that_break_off_unsaid() -> None:
    made = ledger(sent(Outcome.CUT, "P"), cut=End.LOST)
    assert list(broken_rules(made, Fault("killed", nothing, Cost.BEGUN))) == []
    unsaid = "1 answers broke off unsaid"
    assert unsaid in broken_rules(made, Fault("ended", nothing, Cost.UNBEGUN))
