"""MLC-LLM's double in this process, and engines over it."""

import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio

from common.models.model import open_model
from common.settings import Settings
from tests.conftest import MODEL
from tests.mlc.builds import DEMO
from tests.service_process import REPOSITORY

# bentoml's decorators warn, and here every warning is an error.
with warnings.catch_warnings(action="ignore"):
    from services.mlc import MLCEngine


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlc_llm"]:
        del sys.modules[name]


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(REPOSITORY / "tests" / "doubles" / "mlc")
    _forget()
    yield
    _forget()


class StartEngine(Protocol):
    def __call__(self, *, model: Path = MODEL, **settings: Any) -> Awaitable[MLCEngine]: ...


@pytest_asyncio.fixture
async def start(double: None) -> AsyncIterator[StartEngine]:
    """Start an engine with these settings; stopped after the test, also when it did not start."""
    engines: list[MLCEngine] = []

    async def start_engine(*, model: Path = MODEL, **values: Any) -> MLCEngine:
        settings = Settings(model=str(model), **({"engine_dir": str(DEMO)} | values))
        MLCEngine.check(settings)
        engines.append(engine := MLCEngine(settings, open_model(settings, model)))
        await engine.start(lambda phase: None)
        return engine

    yield start_engine
    for engine in engines:
        await engine.stop()
