"""Long texts are encoded in threads, so many characters at once."""

import asyncio
from threading import Event

from common.models.model import DEMO_MODEL
from common.text.tokenizer import MOST_TEXT, LongTexts, Tokenizer
from tests.limits import DEADLINE


async def test_a_huge_text_has_the_ids_of_its_parts() -> None:
    tokenizer, part = Tokenizer(DEMO_MODEL), "Hello! \n"
    ids = await tokenizer.encode(part, add_special_tokens=False)
    repeats = MOST_TEXT // len(part) + 1
    found = await tokenizer.encode(part * repeats, add_special_tokens=False)
    assert found == ids * repeats


async def test_long_texts_are_encoded_in_turn_as_many_as_fit_at_once() -> None:
    texts, started, gates = LongTexts(10), list[str](), {name: Event() for name in "abcd"}

    def work(name: str) -> str:
        started.append(name)
        gates[name].wait()
        return name

    def begin(name: str, size: int) -> asyncio.Task[str]:
        return asyncio.create_task(texts.run(size, lambda: work(name)))

    async def begun(count: int) -> set[str]:
        async with asyncio.timeout(DEADLINE):
            while len(started) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        return set(started)

    first, second, large, last = begin("a", 6), begin("b", 4), begin("c", 40), begin("d", 1)
    assert await begun(2) == {"a", "b"}
    # Who leaves does not free what his thread holds.
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    gates["b"].set()
    assert await second == "b"
    assert set(started) == {"a", "b"}
    gates["a"].set()
    assert await begun(3) == {"a", "b", "c"}
    gates["c"].set()
    gates["d"].set()
    assert [await large, await last] == ["c", "d"]
