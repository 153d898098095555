"""What MLC-LLM hangs at ends here: a model that cannot be loaded, a thread that has died."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from common.errors import EngineDead, StartError
from services.mlc import MLCEngine
from tests.limits import DEADLINE
from tests.mlc.builds import DEMO, write_build
from tests.mlc.conftest import StartEngine
from tests.mlc.test_engine import UNSURE, answer, ids, request

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


async def refusal(start: StartEngine, **settings: Any) -> str:
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(StartError) as refused:
            await start(**settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


async def test_a_library_that_cannot_be_loaded_is_a_start_error(
    start: StartEngine, tmp_path: Path
) -> None:
    build = write_build(tmp_path / "build")
    (build / "lib.so").write_text("this is no library")
    message = await refusal(start, engine_dir=str(build))
    assert message.startswith("MLC-LLM cannot load the model: Expecting value")


async def test_a_library_that_is_missing_is_named(
    start: StartEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "mlc_llm"
    package.mkdir()
    said = "libvulkan.so.1: cannot open shared object file"
    (package / "__init__.py").write_text(f"raise OSError({said!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert await refusal(start) == f"MLC-LLM cannot be imported: {said}"


async def test_no_device_is_a_start_error(
    start: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOUBLE_NO_DEVICE", "1")
    assert "it finds no device" in await refusal(start)


async def test_an_unknown_device_is_named(start: StartEngine) -> None:
    assert "Invalid device name: gpu" in await refusal(start, engine_args={"device": "gpu"})


async def test_an_unknown_argument_is_named_with_one_like_it(start: StartEngine) -> None:
    message = await refusal(start, engine_args={"prefill_chunk_sice": 5})
    assert "no argument 'prefill_chunk_sice'; did you mean 'prefill_chunk_size'?" in message
    assert "device" in message
    assert "'engine_dir'" in await refusal(start, engine_args={"model": "a"})


async def test_a_context_without_room_is_refused(start: StartEngine) -> None:
    args = {"max_total_sequence_length": 500}
    message = await refusal(start, engine_args=args)
    assert "'max_model_len': 4096" in message
    assert "room for 500" in message
    assert await start(engine_args=args, max_model_len=500)


async def test_engine_args_win_and_no_more_is_asked_than_was_compiled(
    start: StartEngine, tmp_path: Path
) -> None:
    small = {"max_batch_size": 3}
    build = write_build(tmp_path / "build", config={"model_config": small}, library=small)
    engine = await start(
        engine_dir=str(build),
        engine_args={"gpu_memory_utilization": 0.5, "prefill_mode": "chunked"},
        max_concurrency=50,
    )
    assert engine._engine is not None
    config = engine._engine._engine.engine_config
    assert config.max_num_sequence == 3
    assert config.gpu_memory_utilization == 0.5
    assert config.prefill_mode == "chunked"
    assert config.mode == "server"


async def test_another_release_that_lacks_what_is_used_is_refused(
    start: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlc_llm.serve import AsyncMLCEngine

    monkeypatch.delattr(AsyncMLCEngine, "_abort")
    assert "this MLC-LLM cannot be used: " in await refusal(start)


async def test_a_release_that_gives_text_only_is_refused(
    start: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its streamer is not asked any more, the ids come from elsewhere."""
    monkeypatch.setattr("services._mlc.engine.TokenIds.put", lambda self, ids: "some text")
    assert "it gave 0 token ids" in await refusal(start)


@pytest.mark.parametrize("thread", ["loop", "stream"])
async def test_a_dead_thread_is_told_to_all_who_wait(
    start: StartEngine, monkeypatch: pytest.MonkeyPatch, thread: str
) -> None:
    monkeypatch.setenv("DOUBLE_DIE_AFTER", "40")
    monkeypatch.setenv("DOUBLE_DIE_IN", thread)
    engine = await start()
    async with asyncio.timeout(DEADLINE):
        ends = await asyncio.gather(
            *(answer(engine, request(UNSURE[:length], 4000, ())) for length in (1, 2, 3)),
            return_exceptions=True,
        )
    assert [type(end) for end in ends] == [EngineDead] * 3
    assert "was told to end" in str(ends[0])
    health = await engine.health()
    assert not health.alive
    assert "was told to end" in health.reason
    with pytest.raises(EngineDead):
        await answer(engine, request(UNSURE, 1))


async def test_death_is_noticed_within_a_second(
    start: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await start()
    assert (await engine.health()).alive
    monkeypatch.setenv("DOUBLE_DIE_AFTER", "1")
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(EngineDead):
            await answer(engine, request(UNSURE, 5))


async def test_stopping_ends_the_threads(start: StartEngine) -> None:
    before = set(threading.enumerate())
    engine = await start()
    assert len(ids(await answer(engine, request(UNSURE, 3)))) == 3
    started = set(threading.enumerate()) - before
    assert all(thread.daemon for thread in started)
    await engine.stop()
    assert not [t for t in started if t.is_alive() and "run_background" in t.name]


async def test_stopping_is_safe_whatever_came_before(start: StartEngine, tmp_path: Path) -> None:
    from common.models.model import open_model
    from common.settings import Settings
    from tests.conftest import MODEL

    before = set(threading.enumerate())
    settings = Settings(engine_dir=str(DEMO))
    engine = MLCEngine(settings, open_model(settings, MODEL))
    await engine.stop()
    started = await start()
    await started.stop()
    await started.stop()
    assert not [t for t in set(threading.enumerate()) - before if "run_background" in t.name]
