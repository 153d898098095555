"""What BentoML gives without any care: an async generator in a service of default settings."""

import asyncio
from collections.abc import AsyncGenerator

import bentoml

from benchmarks.servers import PIECE


@bentoml.service
class DefaultBento:
    @bentoml.api  # type: ignore[untyped-decorator]
    async def generate(self, prompt: str, max_tokens: int) -> AsyncGenerator[str, None]:
        for _ in range(max_tokens):
            yield PIECE
            await asyncio.sleep(0)

    @bentoml.api  # type: ignore[untyped-decorator]
    async def tokenize(self, prompt: str) -> dict[str, int]:
        return {"count": prompt.count(PIECE)}
