"""A rush may wait; a queue that stands is kept short until what comes can be done again."""

import asyncio
import math
from contextlib import AsyncExitStack

import pytest

from common.errors import Overloaded
from common.serving.admission import Admission
from common.serving.pace import Pace
from common.serving.queue_limit import SHORTEST, QueueLimit
from tests.keys.clock import Clock

RUSH, FIRST_TOKEN = 10.0, 0.2


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> QueueLimit:
    limit = QueueLimit(RUSH, clock=clock)
    for seconds in (FIRST_TOKEN, 0.1, FIRST_TOKEN, 30.0, FIRST_TOKEN):
        limit.note_first_token(seconds)
    return limit


def stand(limit: QueueLimit, clock: Clock) -> None:
    """Keep somebody waiting for as long as a rush may last."""
    limit.note_queue(waits=True)
    clock.now += RUSH


def test_a_rush_may_wait_even_if_others_come_and_go_meanwhile(
    limit: QueueLimit, clock: Clock
) -> None:
    for _ in range(5):
        limit.note_queue(waits=True)
        clock.now += RUSH - 0.1
        assert limit.seconds == RUSH
        limit.note_queue(waits=False)
        clock.now += 0.1
        assert limit.seconds == RUSH


def test_a_queue_that_stands_may_need_what_a_first_token_usually_does(
    limit: QueueLimit, clock: Clock
) -> None:
    stand(limit, clock)
    assert limit.seconds == FIRST_TOKEN


@pytest.mark.parametrize(
    ("first_tokens", "given", "seconds"),
    [
        ((), None, RUSH),
        ((0.001,), None, SHORTEST),
        ((60.0,), None, RUSH),
        ((0.001,), 3.0, 3.0),
        ((0.001,), RUSH, RUSH),
        ((0.001,), 2 * RUSH, RUSH),
    ],
)
def test_it_is_bounded_from_both_sides_and_a_setting_wins(
    clock: Clock, first_tokens: tuple[float, ...], given: float | None, seconds: float
) -> None:
    limit = QueueLimit(RUSH, given, clock)
    for each in first_tokens:
        limit.note_first_token(each)
    stand(limit, clock)
    assert limit.seconds == seconds


def test_it_is_over_when_the_queue_is_empty_and_nobody_was_sent_away(
    limit: QueueLimit, clock: Clock
) -> None:
    stand(limit, clock)
    assert limit.seconds == FIRST_TOKEN
    limit.note_queue(waits=False)
    assert limit.seconds == RUSH
    limit.note_queue(waits=True)
    assert limit.seconds == RUSH, "it has to stand anew"


def test_an_empty_queue_is_no_end_while_more_comes_than_can_be_done(
    limit: QueueLimit, clock: Clock
) -> None:
    stand(limit, clock)
    for _ in range(100):
        limit.note_refusal(1.0)
        limit.note_queue(waits=False)
        clock.now += 0.5
        assert limit.seconds == FIRST_TOKEN


def test_it_ends_soon_after_the_load_has_gone_down(limit: QueueLimit, clock: Clock) -> None:
    """A few are still sent away, because the queue is so short."""
    stand(limit, clock)
    for _ in range(1000):
        limit.note_refusal(1.0)
    limit.note_queue(waits=False)
    for _ in range(18):
        clock.now += 1
        limit.note_refusal(0.5)
        assert limit.seconds == FIRST_TOKEN
    clock.now += 1
    assert limit.seconds == RUSH


def test_it_ends_where_nobody_is_sent_away_although_all_places_are_taken(
    limit: QueueLimit, clock: Clock
) -> None:
    stand(limit, clock)
    limit.note_refusal(1000.0)
    limit.note_queue(waits=False)
    for _ in range(9):
        clock.now += 1
        limit.note_place(1.0)
        assert limit.seconds == FIRST_TOKEN
    clock.now += 1
    assert limit.seconds == RUSH


async def wait(admission: Admission, *, background: bool = False) -> asyncio.Task[None]:
    async def visit() -> None:
        async with admission.slot(admission.admit("", 1, background=background)):
            pass

    task = asyncio.create_task(visit())
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("background", [False, True])
async def test_only_a_queue_of_those_that_others_wait_for_stands(
    limit: QueueLimit, clock: Clock, background: bool
) -> None:
    admission = Admission(4, 100, 60, pace=Pace(4, clock), limit=limit)
    async with AsyncExitStack() as places:
        for _ in range(4):
            await places.enter_async_context(admission.slot(admission.admit("", 1)))
        waiting = await wait(admission, background=background)
        clock.now += RUSH - 0.1
        admission.check_room("")
        clock.now += 0.1
        if background:
            admission.check_room("")
        else:
            with pytest.raises(Overloaded, match=r"none for longer than 0\.2 seconds"):
                admission.check_room("")
    await waiting


async def test_the_earlier_keep_their_place_and_the_refused_hear_the_pace(
    limit: QueueLimit, clock: Clock
) -> None:
    admission = Admission(1, 100, 60, pace=Pace(clock=clock), limit=limit)
    async with admission.slot(admission.admit("", 1)):
        early = [await wait(admission) for _ in range(3)]
        clock.now += RUSH
        with pytest.raises(Overloaded) as caught:
            admission.admit("", 1)
        assert caught.value.retry_after == 4 * RUSH
    await asyncio.gather(*early)
    assert (admission.running, admission.waiting) == (0, 0)


async def test_who_may_wait_for_a_moment_makes_room_after_it(clock: Clock) -> None:
    limit = QueueLimit(RUSH, 0.01, clock)
    stand(limit, clock)
    admission = Admission(1, 100, 60, pace=Pace(clock=clock), limit=limit)
    async with admission.slot(admission.admit("", 1)):
        waiting = await wait(admission)
        with pytest.raises(Overloaded, match=r"none for longer than 0\.01 seconds"):
            await waiting
    assert (admission.running, admission.waiting) == (0, 0)


async def test_a_client_that_others_leave_no_place_gets_the_next_one(
    limit: QueueLimit, clock: Clock
) -> None:
    admission = Admission(4, 100, 60, pace=Pace(4, clock), limit=limit)
    async with AsyncExitStack() as places:
        for _ in range(4):
            await places.enter_async_context(admission.slot(admission.admit("greedy", 1)))
        early = await wait(admission)
        clock.now += RUSH
        with pytest.raises(Overloaded):
            admission.check_room("greedy")
        admission.check_room("modest")
        assert admission.admit("modest", 1).patience == math.inf
    await early
