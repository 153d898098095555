"""Places in the engine: first come, first served, and none is ever lost."""

import asyncio

import pytest

from common.admission import Admission
from common.errors import Overloaded, QueueTimeout


async def spin() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Visit:
    """Somebody who holds places until told to leave."""

    def __init__(self, admission: Admission, sequences: int = 1) -> None:
        self.inside = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(admission, sequences))

    async def _visit(self, admission: Admission, sequences: int) -> None:
        async with admission.places(sequences):
            self.inside = True
            await self.leave.wait()

    async def end(self) -> None:
        self.leave.set()
        await self.task
        await spin()

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await spin()


async def visits(admission: Admission, *sequences: int) -> list[Visit]:
    found = []
    for count in sequences:
        found.append(Visit(admission, count))
        await spin()
    return found


def state(admission: Admission) -> tuple[int, int]:
    return admission.running, admission.waiting


async def test_places_are_given_in_the_order_of_arrival() -> None:
    admission = Admission(1, 10, 60)
    everyone = await visits(admission, 1, 1, 1, 1)
    for number, visit in enumerate(everyone):
        assert [v.inside for v in everyone] == [i <= number for i in range(4)]
        await visit.end()
    assert state(admission) == (0, 0)


async def test_a_big_request_is_not_overtaken_by_small_ones() -> None:
    admission = Admission(3, 10, 60)
    first, big, small = await visits(admission, 2, 3, 1)
    assert (big.inside, small.inside) == (False, False)
    await first.end()
    assert (big.inside, small.inside) == (True, False)
    await big.end()
    assert small.inside
    await small.end()
    assert state(admission) == (0, 0)


async def test_n_sequences_take_n_places_and_at_most_all() -> None:
    admission = Admission(4, 10, 60)
    (three,) = await visits(admission, 3)
    assert state(admission) == (3, 0)
    (many,) = await visits(admission, 9)
    assert state(admission) == (3, 4)
    await three.end()
    assert state(admission) == (4, 0)
    await many.end()
    assert state(admission) == (0, 0)


async def test_a_full_queue_refuses_at_once() -> None:
    admission = Admission(1, 1, 60)
    inside, waiting = await visits(admission, 1, 1)
    with pytest.raises(Overloaded, match="1 are waiting"):
        async with admission.places(1):
            pass
    await inside.end()
    await waiting.end()
    assert state(admission) == (0, 0)


async def test_without_a_queue_a_full_engine_refuses_at_once() -> None:
    admission = Admission(1, 0, 60)
    (inside,) = await visits(admission, 1)
    with pytest.raises(Overloaded):
        async with admission.places(1):
            pass
    await inside.end()


async def test_who_is_cancelled_while_waiting_leaves_the_queue() -> None:
    admission = Admission(1, 10, 60)
    inside, gone, last = await visits(admission, 1, 1, 1)
    await gone.cancel()
    assert state(admission) == (1, 1)
    await inside.end()
    assert last.inside
    await last.end()
    assert state(admission) == (0, 0)


async def test_a_big_request_that_leaves_the_queue_lets_the_next_in() -> None:
    admission = Admission(2, 10, 60)
    inside, big, small = await visits(admission, 1, 2, 1)
    assert not small.inside
    await big.cancel()
    assert small.inside
    await inside.end()
    await small.end()
    assert state(admission) == (0, 0)


async def test_a_place_granted_in_the_instant_of_a_cancellation_goes_to_the_next() -> None:
    admission = Admission(1, 10, 60)
    async with admission.places(1):
        chosen, next_one = await visits(admission, 1, 1)
    assert state(admission) == (1, 1)
    assert not chosen.inside
    chosen.task.cancel()
    await asyncio.gather(chosen.task, return_exceptions=True)
    await spin()
    assert next_one.inside
    await next_one.end()
    assert state(admission) == (0, 0)


async def test_waiting_too_long_ends_in_a_timeout() -> None:
    admission = Admission(1, 10, 0.01)
    (inside,) = await visits(admission, 1)
    with pytest.raises(QueueTimeout, match=r"0\.01 seconds"):
        async with admission.places(1):
            pass
    assert state(admission) == (1, 0)
    await inside.end()
    assert state(admission) == (0, 0)


async def test_an_error_inside_gives_the_place_back() -> None:
    admission = Admission(1, 0, 60)
    with pytest.raises(ZeroDivisionError):
        async with admission.places(1):
            raise ZeroDivisionError
    assert state(admission) == (0, 0)


async def test_places_survive_any_mix_of_ends_and_cancellations() -> None:
    admission = Admission(3, 100, 60)
    everyone = await visits(admission, *(1 + i % 3 for i in range(30)))
    for number, visit in enumerate(everyone):
        assert admission.running <= 3
        await (visit.cancel() if number % 3 else visit.end())
    assert state(admission) == (0, 0)
