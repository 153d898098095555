"""A supervised server for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.processes.supervised import SERVER, Make, Supervised


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Supervised] = []

    def supervised(code: str = SERVER, **options: object) -> Supervised:
        made.append(Supervised(tmp_path, code, **options))  # type: ignore[arg-type]
        return made[-1]

    yield supervised
    for one in made:
        await one.server.stop()
