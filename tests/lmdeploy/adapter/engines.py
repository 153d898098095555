"""An AsyncEngine over each of LMDeploy's engines: the real one in PyTorch, TurboMind's double."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from common.models.model import DEMO_MODEL
from services._lmdeploy.config import Backend
from tests.limits import DEADLINE

PROMPT = [0, 5, 6, 7]
BOTH: list[Backend] = ["turbomind", "pytorch"]
PLACES = 2


@asynccontextmanager
async def async_engine(backend: Backend) -> AsyncIterator[Any]:
    """With two places, on the running loop."""
    from lmdeploy import PytorchEngineConfig, TurbomindEngineConfig
    from lmdeploy.serve.core import AsyncEngine

    kind = TurbomindEngineConfig if backend == "turbomind" else PytorchEngineConfig
    config = kind(session_len=4096, max_batch_size=PLACES, enable_metrics=False)
    engine = AsyncEngine(str(DEMO_MODEL), backend=backend, backend_config=config)
    engine.start_loop(asyncio.get_running_loop(), use_async_api=True)
    try:
        yield engine
    finally:
        engine.close()


def break_device() -> None:
    """The PyTorch engine's next forward pass fails, and only that."""
    from lmdeploy_on_cpu.operators import FAILS_AT, CpuOperators

    CpuOperators.passes = itertools.count(FAILS_AT)


def asked(max_new_tokens: int = 3000, **values: Any) -> Any:
    """Of the adapter's own making is only the end token among the ids."""
    from lmdeploy import GenerationConfig

    values = {"include_stop_str_in_output": True, **values}
    return GenerationConfig(max_new_tokens=max_new_tokens, **values)


async def prepared(engine: Any, config: Any) -> Any:
    session = engine.session_mgr.get()
    return await engine.preprocess(
        None, session, gen_config=config, input_ids=list(PROMPT), do_preprocess=False
    )


async def until(condition: Callable[[], object]) -> None:
    """The engine's own thread moves on meanwhile."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def running(engine: Any) -> int:
    """Returns how many sequences the engine computes or holds back."""
    metrics = engine.engine.get_schedule_metrics()
    return int(metrics.active_seqs + metrics.waiting_seqs)


async def idle(engine: Any) -> None:
    """The engine has its handles back and no session is left."""
    pool = engine.session_mgr.request_handle_pool
    await until(lambda: not (pool.num_dispatched or engine.session_mgr.sessions or running(engine)))
