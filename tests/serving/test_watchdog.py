"""A hung engine is known by its silence, and by nothing else."""

import asyncio
from collections.abc import AsyncGenerator

from common.engine import Chunk
from common.serving.watchdog import READING_RATE, RunningSequence, Watchdog

TIMEOUT, GRACE = 60.0, 30.0


class Engine:
    """An engine double: what runs in it gets a token when a test says so."""

    def __init__(self) -> None:
        self.watchdog = Watchdog(TIMEOUT, GRACE)
        self.now = 1000.0
        self._token = asyncio.Event()
        self._taken = asyncio.Event()
        self.watchdog.look(self.now)

    async def _generate(self) -> AsyncGenerator[Chunk, None]:
        while True:
            await self._token.wait()
            yield Chunk((5,))

    async def run(self, prompt_tokens: int, running: "asyncio.Future[RunningSequence]") -> None:
        """Run a sequence; after its first token, nobody asks for the next one."""
        chunks = self._generate()
        with self.watchdog.running(chunks, prompt_tokens) as sequence:
            running.set_result(sequence)
            await anext(chunks)
            sequence.unread_tokens = 0
            self.watchdog.last_token = self.now
            self._taken.set()
            await asyncio.Event().wait()

    async def begin(self, prompt_tokens: int = 0) -> "asyncio.Task[None]":
        running: asyncio.Future[RunningSequence] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self.run(prompt_tokens, running))
        await running
        await asyncio.sleep(0)
        return task

    async def give_a_token(self) -> None:
        self._token.set()
        await self._taken.wait()
        self._token.clear()

    def passes(self, seconds: int) -> bool:
        """Let time pass, a second at a time. Returns whether the engine has stalled."""
        for _ in range(seconds):
            self.now += 1
            self.watchdog.look(self.now)
        return self.watchdog.stalled


async def test_silence_is_a_stall_while_something_runs() -> None:
    engine = Engine()
    assert not engine.passes(500)
    await engine.begin()
    assert not engine.passes(60)
    assert engine.passes(1)


async def test_a_token_of_any_sequence_is_a_sign_of_life() -> None:
    engine = Engine()
    await engine.begin()
    engine.passes(50)
    await engine.give_a_token()
    await engine.begin()
    assert not engine.passes(60)
    assert engine.passes(2)


async def test_who_does_not_read_a_token_waits_for_none() -> None:
    engine = Engine()
    await engine.begin()
    await engine.give_a_token()
    assert not engine.passes(1000)


async def test_long_prompts_get_more_time_until_a_token_has_come() -> None:
    engine = Engine()
    await engine.begin(40 * READING_RATE)
    leaves = await engine.begin(20 * READING_RATE)
    leaves.cancel()
    assert not engine.passes(120)
    assert engine.passes(1)

    engine = Engine()
    await engine.begin(100 * READING_RATE)
    await engine.give_a_token()
    await engine.begin()
    engine.passes(1)
    assert engine.watchdog.patience == TIMEOUT


async def test_clients_that_give_up_and_ask_again_do_not_hide_a_stall() -> None:
    engine = Engine()
    for _ in range(2):
        client = await engine.begin()
        assert not engine.passes(30)
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
    await engine.begin()
    assert engine.passes(1)


async def test_a_pause_without_requests_is_no_silence() -> None:
    engine = Engine()
    client = await engine.begin()
    engine.passes(59)
    client.cancel()
    await asyncio.gather(client, return_exceptions=True)
    engine.passes(100)
    await engine.begin()
    assert not engine.passes(59)


async def test_time_in_which_this_process_stood_still_does_not_count() -> None:
    engine = Engine()
    await engine.begin()
    engine.now += 3600
    assert not engine.passes(50)


async def test_a_stall_ends_with_a_token_or_is_hopeless_after_the_grace() -> None:
    engine = Engine()
    await engine.begin()
    engine.passes(61)
    engine.passes(int(GRACE))
    assert engine.watchdog.stalled
    assert not engine.watchdog.hopeless
    engine.passes(1)
    assert engine.watchdog.hopeless
    await engine.give_a_token()
    assert not engine.passes(1)
    assert not engine.watchdog.hopeless
