"""One round: users ask, a fault strikes and is lifted, the service is as it was before."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.load.request import NANO
from benchmarks.prompts import Prompt
from tests.chaos.counters import differences, settled
from tests.chaos.crowd import Answers, Crowd
from tests.chaos.faults import Cost, Fault, NotHere, nothing
from tests.chaos.outcomes import End, Ledger
from tests.chaos.target import START_SECONDS, Target
from tests.contract.support import Samples
from tests.service_process import INTERVAL

MEMORY_GROWTH = 1.05
"""By which memory may grow over the second half of a round that has many requests."""
MANY = 5000
CALM = Fault("none", nothing, leaving=0)


@dataclass(frozen=True)
class Load:
    """`hold` is how long a fault lasts, `seconds` how long the users ask besides."""

    users: int
    seconds: float
    hold: float
    prompts: Sequence[Prompt]
    answers: Answers

    def crowd(self, target: Target, fault: Fault) -> Crowd:
        return Crowd(
            target.service.url,
            self.users,
            self.prompts,
            self.answers,
            fault.leaving,
            dies=fault.cost is Cost.BEGUN,
        )


@dataclass
class Round:
    """What one fault did. `back` are the seconds from its end to the next right answer, `memory`
    the bytes afterwards; `during` and `after` are the requests up to then, and later."""

    fault: str
    during: Ledger = field(default_factory=Ledger)
    after: Ledger = field(default_factory=Ledger)
    back: float | None = None
    memory: int = 0
    wrong: list[str] = field(default_factory=list)
    left_out: str = ""


async def attack(target: Target, fault: Fault, load: Load) -> Round:
    """Returns what came of one fault."""
    result = Round(fault.name)
    try:
        if fault.variables is not None:
            variables = fault.variables(target)
            await asyncio.to_thread(target.restart, variables)
        await _strike(target, fault, load, result)
        await _recovered(target, load, result)
    except NotHere as error:
        result.left_out = str(error)
    except AssertionError as error:
        result.wrong.append(str(error))
    except TimeoutError:
        result.wrong.append(f"no right answer within {START_SECONDS:g} s")
    if fault.variables is not None and not result.left_out:
        await asyncio.to_thread(target.restart)
    return result


async def _strike(target: Target, fault: Fault, load: Load, result: Round) -> None:
    worker, before = target.worker(), settled(target.service)
    crowd = load.crowd(target, fault)
    result.during = crowd.ledger
    asking = asyncio.create_task(crowd.run())
    try:
        await asyncio.sleep(load.seconds / 2)
        middle = await asyncio.to_thread(target.memory)
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, fault.strike(target))
            await asyncio.sleep(load.hold)
            crowd.ledger.lifted = time.monotonic_ns()
            await asyncio.to_thread(stack.close)
        result.back = await _back(target, crowd.ledger)
        await asyncio.sleep(load.seconds / 2)
    finally:
        crowd.stop()
        await asking
    result.wrong += broken_rules(crowd.ledger, fault)
    if target.worker() == worker:
        # Those of a process that was replaced went with it.
        await asyncio.to_thread(_compare, target, before, result, middle)


async def _back(target: Target, ledger: Ledger) -> float:
    """Returns the seconds from the end of the fault to the next right answer.

    The service is started anew where it has ended.
    """
    assert ledger.lifted is not None
    async with asyncio.timeout(START_SECONDS):
        while ledger.back is None:
            if target.ended:
                await asyncio.to_thread(target.restart)
            await asyncio.sleep(INTERVAL)
    return (ledger.back - ledger.lifted) * NANO


def _compare(target: Target, before: Samples, result: Round, middle: int) -> None:
    after = settled(target.service)
    result.wrong += differences(before, after, result.during)
    if result.during.total > MANY and target.memory() > middle * MEMORY_GROWTH:
        grown = f"from {middle / 1e6:.0f} to {target.memory() / 1e6:.0f} MB"
        result.wrong.append(f"memory grew {grown} over the second half")


def broken_rules(ledger: Ledger, fault: Fault) -> Iterator[str]:
    """Yields what clients saw that this fault does not excuse."""
    yield from ledger.wrong
    if ledger.ends[End.TOLD] and not fault.told and fault.cost is Cost.NOTHING:
        yield f"{ledger.ends[End.TOLD]} were told errors: {dict(ledger.codes)}"
    if ledger.broken and fault.cost is not Cost.BEGUN:
        yield f"{ledger.broken} answers broke off unsaid"
    if ledger.ends[End.LOST] and fault.cost is Cost.NOTHING:
        yield f"{ledger.ends[End.LOST]} connections were lost"


async def _recovered(target: Target, load: Load, result: Round) -> None:
    """Asks once more: all is as if nothing had been."""
    before = await asyncio.to_thread(settled, target.service)
    crowd = load.crowd(target, CALM)
    result.after = crowd.ledger
    asking = asyncio.create_task(crowd.run())
    await asyncio.sleep(load.seconds / 4)
    crowd.stop()
    await asking
    after = await asyncio.to_thread(settled, target.service)
    result.wrong += [*broken_rules(crowd.ledger, CALM), *differences(before, after, crowd.ledger)]
    result.memory = await asyncio.to_thread(target.memory)
