"""Slots of the engine are given first come, first served, and none is ever lost."""

import asyncio

import pytest

from common.errors import Overloaded, QueueTimeout
from common.serving.admission import Admission


async def spin() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Visit:
    """A task that holds a slot until `end` or `cancel`."""

    def __init__(self, admission: Admission) -> None:
        self.inside = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(admission))

    async def _visit(self, admission: Admission) -> None:
        admission.check_room(1)
        async with admission.slot():
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


async def visits(admission: Admission, count: int) -> list[Visit]:
    started = []
    for _ in range(count):
        started.append(Visit(admission))
        await spin()
    return started


def state(admission: Admission) -> tuple[int, int]:
    return admission.running, admission.waiting


async def test_slots_are_given_in_the_order_of_arrival() -> None:
    admission = Admission(1, 10, 60)
    everyone = await visits(admission, 4)
    for number, visit in enumerate(everyone):
        assert [v.inside for v in everyone] == [i <= number for i in range(4)]
        await visit.end()
    assert state(admission) == (0, 0)


async def test_a_request_of_many_sequences_needs_room_for_those_that_can_run_at_once() -> None:
    admission = Admission(4, 2, 60)
    admission.check_room(100)
    inside = await visits(admission, 3)
    admission.check_room(3)
    with pytest.raises(Overloaded):
        admission.check_room(4)
    for visit in inside:
        await visit.end()


async def test_a_full_queue_refuses_at_once() -> None:
    admission = Admission(1, 1, 60)
    inside, waiting = await visits(admission, 2)
    with pytest.raises(Overloaded, match="1 are waiting"):
        admission.check_room(1)
    await inside.end()
    await waiting.end()
    assert state(admission) == (0, 0)


async def test_without_a_queue_a_full_engine_refuses_at_once() -> None:
    admission = Admission(1, 0, 60)
    (inside,) = await visits(admission, 1)
    with pytest.raises(Overloaded):
        admission.check_room(1)
    await inside.end()


async def test_who_is_cancelled_while_waiting_leaves_the_queue() -> None:
    admission = Admission(1, 10, 60)
    inside, gone, last = await visits(admission, 3)
    await gone.cancel()
    assert state(admission) == (1, 1)
    await inside.end()
    assert last.inside
    await last.end()
    assert state(admission) == (0, 0)


async def test_a_slot_granted_in_the_instant_of_a_cancellation_goes_to_the_next() -> None:
    admission = Admission(1, 10, 60)
    async with admission.slot():
        chosen, next_one = await visits(admission, 2)
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
        async with admission.slot():
            pass
    assert state(admission) == (1, 0)
    await inside.end()
    assert state(admission) == (0, 0)


async def test_an_error_inside_gives_the_slot_back() -> None:
    admission = Admission(1, 0, 60)
    with pytest.raises(ZeroDivisionError):
        async with admission.slot():
            raise ZeroDivisionError
    assert state(admission) == (0, 0)


async def test_slots_survive_any_mix_of_ends_and_cancellations() -> None:
    admission = Admission(3, 100, 60)
    everyone = await visits(admission, 30)
    for number, visit in enumerate(everyone):
        assert admission.running <= 3
        await (visit.cancel() if number % 3 else visit.end())
    assert state(admission) == (0, 0)


async def test_the_patient_wait_without_a_limit() -> None:
    admission = Admission(1, 10, 0.01)
    (inside,) = await visits(admission, 1)

    async def patient() -> bool:
        async with admission.slot(patient=True):
            return True

    waiting = asyncio.create_task(patient())
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    await inside.end()
    assert await waiting
