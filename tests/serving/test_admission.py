"""Slots of the engine are given first come, first served, and none is ever lost."""

import asyncio

import pytest

from common.errors import InvalidValue, Overloaded, QueueTimeout
from common.serving.admission import Admission, Party


async def spin() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Visit:
    """A task that holds a slot until `end` or `cancel`."""

    def __init__(
        self, admission: Admission, party: Party | None = None, *, background: bool = False
    ) -> None:
        self.inside = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(admission, party, background))

    async def _visit(self, admission: Admission, party: Party | None, background: bool) -> None:
        async with admission.slot(party or admission.admit("", 1, background=background)):
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


async def test_a_request_of_many_sequences_needs_a_place_in_the_queue_for_those_that_wait() -> None:
    admission = Admission(4, 1, 60)
    admission.admit("", 100)
    inside = await visits(admission, 5)
    with pytest.raises(Overloaded):
        admission.admit("", 2)
    for visit in inside:
        await visit.end()


async def test_a_full_queue_refuses_at_once() -> None:
    admission = Admission(1, 1, 60)
    inside, waiting = await visits(admission, 2)
    with pytest.raises(Overloaded, match="1 requests are waiting"):
        admission.admit("", 1)
    await inside.end()
    await waiting.end()
    assert state(admission) == (0, 0)


async def test_without_a_queue_a_full_engine_refuses_at_once() -> None:
    admission = Admission(1, 0, 60)
    (inside,) = await visits(admission, 1)
    with pytest.raises(Overloaded):
        admission.admit("", 1)
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
    async with admission.slot(admission.admit("", 1)):
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
        async with admission.slot(admission.admit("", 1)):
            pass
    assert state(admission) == (1, 0)
    await inside.end()
    assert state(admission) == (0, 0)


async def test_an_error_inside_gives_the_slot_back() -> None:
    admission = Admission(1, 0, 60)
    with pytest.raises(ZeroDivisionError):
        async with admission.slot(admission.admit("", 1)):
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
        async with admission.slot(admission.admit("", 1), patient=True):
            return True

    waiting = asyncio.create_task(patient())
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    await inside.end()
    assert await waiting


async def test_the_background_waits_while_others_do_and_each_line_keeps_its_order() -> None:
    admission = Admission(1, 10, 60)
    (inside,) = await visits(admission, 1)
    background = [Visit(admission, background=True) for _ in range(2)]
    await spin()
    others = await visits(admission, 2)
    assert admission.waiting == 2, "the background takes no room from others"
    order = [*others, *background]
    await inside.end()
    for number, visit in enumerate(order):
        assert [v.inside for v in order] == [i <= number for i in range(4)]
        await visit.end()
    assert state(admission) == (0, 0)


async def test_the_background_takes_a_free_slot_at_once_and_waits_without_a_limit() -> None:
    admission = Admission(2, 0, 0.01)
    background = [Visit(admission, background=True) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert [visit.inside for visit in background] == [True, True, False]
    for visit in background:
        await visit.end()
    assert state(admission) == (0, 0)


async def test_who_of_the_background_is_cancelled_leaves_its_line() -> None:
    admission = Admission(1, 0, 60)
    inside, gone, last = [Visit(admission, background=True) for _ in range(3)]
    await spin()
    await gone.cancel()
    await inside.end()
    assert last.inside
    await last.end()
    assert state(admission) == (0, 0)


async def requests(admission: Admission, *given: tuple[str, int]) -> list[list[Visit]]:
    """Begin a request of so many sequences for each client, in this order."""
    started = []
    for client, sequences in given:
        party = admission.admit(client, sequences)
        started.append([Visit(admission, party) for _ in range(sequences)])
        await spin()
    return started


def inside(request: list[Visit]) -> int:
    return sum(visit.inside for visit in request)


async def test_places_go_to_the_request_that_has_the_fewest() -> None:
    admission = Admission(4, 10, 60)
    large, small, other = await requests(admission, ("a", 8), ("a", 1), ("a", 2))
    for visit in large[:3]:
        await visit.end()
    assert (inside(small), inside(other), inside(large[3:])) == (1, 1, 2)


async def test_places_go_to_the_client_that_has_the_fewest() -> None:
    admission = Admission(2, 10, 60)
    running, *waiting = await requests(admission, ("a", 2), ("a", 1), ("a", 1), ("b", 1))
    await running[0].end()
    assert [inside(request) for request in waiting] == [0, 0, 1]


async def test_a_full_queue_is_shared_between_clients() -> None:
    admission = Admission(1, 3, 60)
    _, first, second, third = await requests(admission, *[("a", 1)] * 4)
    with pytest.raises(Overloaded):
        admission.admit("a", 1)
    (late,) = await requests(admission, ("b", 1))
    with pytest.raises(Overloaded):
        await third[0].task
    assert (first[0].task.done(), second[0].task.done(), late[0].task.done()) == (False,) * 3
    with pytest.raises(Overloaded):
        admission.admit("b", 1)
    assert state(admission) == (1, 3)


async def test_who_will_be_refused_is_refused_before_any_work() -> None:
    admission = Admission(1, 2, 60)
    admission.check_room("a")
    await requests(admission, ("a", 1), ("a", 1), ("a", 1))
    with pytest.raises(Overloaded):
        admission.check_room("a")
    admission.check_room("b")
    assert state(admission) == (1, 2)


async def test_one_request_may_hold_so_much_only() -> None:
    admission = Admission(1, 1, 60, max_answers=10)
    admission.check_answers(10)
    with pytest.raises(InvalidValue, match=r"11 answers, .* at most 10"):
        admission.check_answers(11)
