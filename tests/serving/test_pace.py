"""Retry-After follows the speed of the queue, and is never longer than its bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Overloaded
from common.serving.admission import Admission
from common.serving.pace import MAX_WAIT, Pace
from common.serving.queue_limit import QueueLimit
from tests.keys.clock import Clock


def full(clock: Clock, ends: int, every: float) -> Pace:
    """Returns the pace of a full engine of which answers end `every` so many seconds."""
    pace = Pace(clock=clock)
    pace.begin()
    for _ in range(ends):
        clock.now += every
        pace.count()
    return pace


@pytest.mark.parametrize(
    ("ends", "every", "places", "seconds"),
    [(10, 0.5, 20, 10), (500, 0.5, 20, 10), (10, 0.01, 20, 1), (10, 2, 1000, MAX_WAIT)],
)
def test_the_wait_is_what_the_places_ahead_take(
    ends: int, every: float, places: int, seconds: int
) -> None:
    assert full(Clock(), ends, every).seconds_for(places) == seconds


def test_a_stall_makes_the_wait_longer() -> None:
    clock = Clock()
    pace = full(clock, 8, 0.125)
    assert pace.seconds_for(8) == 1
    clock.now += 9
    assert pace.seconds_for(8) == 10


def test_the_latest_ends_count_and_not_those_of_an_hour_ago() -> None:
    clock = Clock()
    pace = full(clock, 10, 30)
    for _ in range(64):
        clock.now += 0.1
        pace.count()
    assert pace.seconds_for(10) == 1


def test_answers_that_began_together_are_taken_to_end_together() -> None:
    clock = Clock()
    pace = Pace(100, clock)
    pace.begin()
    clock.now += 5
    assert pace.wait(200) == 10
    for _ in range(100):
        pace.count()
    assert pace.wait(64) == 0


def test_a_pause_does_not_count_and_a_long_one_ends_the_measure() -> None:
    clock = Clock()
    pace = full(clock, 9, 5)
    clock.now += 5
    pace.stop()
    clock.now += 40
    pace.begin()
    assert pace.seconds_for(10) == 50
    pace.stop()
    clock.now += 3600
    assert pace.seconds_for(10) == 1
    pace.begin()
    clock.now += 2
    assert pace.seconds_for(1) == 2


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["begin", "count", "stop"]), st.floats(0, 1e6)), max_size=200
    ),
    places=st.integers(0, 10**6),
)
def test_the_wait_is_never_longer_than_its_bound_nor_shorter_than_a_second(
    steps: list[tuple[str, float]], places: int
) -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    for name, passed in steps:
        clock.now += passed
        getattr(pace, name)()
        assert 1 <= pace.seconds_for(places) <= MAX_WAIT


async def test_who_is_refused_is_told_when_the_queue_will_have_moved() -> None:
    clock = Clock()
    admission = Admission(1, 0, 60, pace=Pace(clock=clock))
    async with admission.slot(admission.admit("", 1)):
        clock.now += 7
        with pytest.raises(Overloaded) as caught:
            admission.admit("", 1)
        assert caught.value.headers == {"retry-after": "7"}
    admission.admit("", 1)


async def test_the_queue_is_full_where_it_would_need_too_long() -> None:
    clock = Clock()
    admission = Admission(1, 100, 60, pace=Pace(clock=clock), limit=QueueLimit(3, clock=clock))
    async with admission.slot(admission.admit("", 1)):
        clock.now += 3
        admission.admit("", 1)
        clock.now += 1
        with pytest.raises(Overloaded):
            admission.admit("", 1)
    admission.admit("", 1)
