"""The adapter and the double in one process: what the engine itself does, and how it dies."""

import asyncio
import contextlib
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from common.engine import Chunk
from common.errors import EngineDead, InternalError, StartError
from common.models.model import LoadPlan, open_model
from common.processes.descendants import descendants, is_alive
from common.settings import Settings
from services._tensorrt_llm.watch import ranks
from services.tensorrt_llm import TensorRTLLMEngine
from tests.limits import AT_ONCE, DEADLINE
from tests.model_directories import change_json, demo_copy
from tests.tensorrt_llm.support import (
    END,
    chunks,
    compiled_engine,
    ids,
    request,
    running_engine,
    sequences,
)

SECONDS_TO_TELL = AT_ONCE


async def test_an_answer_has_all_its_tokens_and_its_end_token_once() -> None:
    async with running_engine() as engine:
        full = await ids(engine, request(8))
        assert len(full) == 8
        assert full[5] == END
        for ends, length in (({END}, 6), ({END, full[3]}, 4), ({full[3]}, 4), (set(), 8)):
            pieces = await chunks(engine, request(8, end_token_ids=frozenset(ends)))
            assert [token for piece in pieces for token in piece.token_ids] == full[:length]
            assert pieces[-1].finish_reason == ("stop" if ends else "length")
            assert not any(piece.finish_reason for piece in pieces[:-1])


@pytest.mark.parametrize(
    "error",
    [
        "ImportError('libcudart.so.13: cannot open shared object file')",
        "OSError('libmpi.so.40: cannot open shared object file')",
        "RuntimeError('cannot load MPI library')",
    ],
)
async def test_a_missing_library_is_told_with_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    package = tmp_path / "tensorrt_llm"
    package.mkdir()
    (package / "__init__.py").write_text(f"raise {error}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StartError) as refused:
        async with running_engine():
            pass
    words = error.split("'")[1]
    assert str(refused.value).startswith(f"TensorRT-LLM cannot be imported: {words}; it needs Open")


async def test_a_checkpoint_of_transformers_5_loads_in_the_planned_number_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = demo_copy(tmp_path / "source", torch_dtype="float32")
    change_json(source / "tokenizer_config.json", {"tokenizer_class": "TokenizersBackend"})
    settings = Settings(model=str(source))
    model = replace(open_model(settings, source), load=LoadPlan("none", None, "bfloat16"))
    engine = TensorRTLLMEngine(settings, model)
    try:
        await engine.start(lambda _: None)
        assert engine._llm.torch_dtype == "bfloat16"
        assert len(await ids(engine, request(3))) == 3
    finally:
        await engine.stop()
    assert list(tmp_path.iterdir()) == [source]


def test_an_engine_whose_processes_are_not_known_is_refused() -> None:
    with pytest.raises(StartError, match="its death would not be seen"):
        ranks([psutil.Process()])


async def test_closing_or_cancelling_a_generation_aborts_it_in_the_engine() -> None:
    async with running_engine() as engine:
        generation = engine.generate(request())
        await anext(generation)
        assert sequences(engine) == 1
        await generation.aclose()
        assert sequences(engine) == 0

        (task,) = await waiting(engine, 1)
        assert sequences(engine) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sequences(engine) == 0


async def test_a_finished_generation_is_not_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_engine() as engine:
        aborted: list[int] = []
        monkeypatch.setattr(engine._llm._executor, "abort_request", aborted.append)
        await chunks(engine, request(3))
        assert aborted == []


async def waiting(engine: TensorRTLLMEngine, count: int) -> list[asyncio.Task[list[Chunk]]]:
    """Generations without an end, each past its first token."""
    begun = [engine.generate(request(name=str(number))) for number in range(count)]
    for generation in begun:
        await anext(generation)

    async def rest(number: int) -> list[Chunk]:
        return [piece async for piece in begun[number]]

    tasks = [asyncio.create_task(rest(number)) for number in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_a_failure_in_the_background_is_told_to_everyone_within_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_engine() as engine:
        tasks = await waiting(engine, 5)
        executor = engine._llm._executor
        died: list[float] = []
        die = executor._die

        def dying(error: Exception) -> None:
            died.append(time.monotonic())
            die(error)

        monkeypatch.setattr(executor, "_die", dying)
        monkeypatch.setenv("DOUBLE_DIE_AFTER", str(executor._tokens + 20))
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), DEADLINE)
        assert time.monotonic() - died[0] < SECONDS_TO_TELL
        assert [type(result) for result in results] == [EngineDead] * 5
        assert not (await engine.health()).alive
        with pytest.raises(EngineDead):
            await chunks(engine, request(1))


async def test_a_killed_process_of_the_model_is_noticed_though_nothing_tells_of_it() -> None:
    before = descendants()
    async with running_engine() as engine:
        tasks = await waiting(engine, 3)
        (rank,) = ranks(descendants() - before)
        rank.kill()
        begun = time.monotonic()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), DEADLINE)
        assert time.monotonic() - begun < SECONDS_TO_TELL
        assert [type(result) for result in results] == [EngineDead] * 3
        health = await engine.health()
        assert not health.alive
        assert "process" in health.reason


async def test_a_reader_who_paused_while_the_engine_died_is_told_too() -> None:
    before = descendants()
    async with running_engine() as engine:
        answer = engine.generate(request(2000))
        await anext(answer)
        (other,) = await waiting(engine, 1)
        (rank,) = ranks(descendants() - before)
        rank.kill()
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(EngineDead):
                await other
            with pytest.raises(EngineDead):
                await anext(answer)


async def test_an_engine_that_was_shut_down_is_dead() -> None:
    async with running_engine() as engine:
        assert (await engine.health()).alive
        engine._llm.shutdown()
        assert not (await engine.health()).alive
        with pytest.raises(EngineDead):
            await chunks(engine, request(1))


async def test_a_request_that_fails_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_engine() as engine:
        monkeypatch.setenv("DOUBLE_REQUEST_ERROR_AFTER", "40")
        short = asyncio.create_task(ids(engine, request(30)))
        with pytest.raises(InternalError, match="told to fail"):
            await chunks(engine, request(100))
        assert len(await short) == 30
        assert (await engine.health()).alive


async def test_stop_leaves_no_process_even_when_the_engine_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = descendants()
    async with running_engine() as engine:
        started = descendants() - before
        assert len(started) == 1
        monkeypatch.setattr(engine, "stop_timeout", 0.2)
        monkeypatch.setattr(engine._llm._executor, "shutdown", lambda: time.sleep(2))
    assert not any(map(is_alive, started))
    assert not [process for process in descendants() - before if is_alive(process)]


async def test_stop_while_loading_ends_what_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorrt_llm import LLM

    monkeypatch.setattr(LLM, "__init__", lambda *_, **__: time.sleep(0.5))
    async with contextlib.AsyncExitStack() as stack:
        entered = asyncio.create_task(stack.enter_async_context(running_engine()))
        await asyncio.sleep(0.1)
        entered.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entered


async def test_requests_without_a_seed_differ_and_the_engines_seed_repeats_them() -> None:
    answers = []
    for seed in (3, 3, 4):
        async with running_engine(seed=seed) as engine:
            asked = [request(12, temperature=2.0) for _ in range(3)]
            answers.append([await ids(engine, one) for one in asked])
    assert answers[0][0] != answers[0][1]
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


async def test_prompts_longer_than_a_forward_pass_work_with_and_without_chunks() -> None:
    for chunked in (True, False):
        async with running_engine(
            chunked_prefill=chunked, engine_args={} if chunked else {"max_num_tokens": 4096}
        ) as engine:
            long = request(3)
            assert len(await ids(engine, long)) == 3


async def test_a_compiled_engine_answers_as_the_model_does(tmp_path: Path) -> None:
    async with running_engine() as engine:
        expected = await ids(engine, request(10))
    async with running_engine(engine_dir=str(compiled_engine(tmp_path))) as engine:
        assert await ids(engine, request(10)) == expected
        last = (await chunks(engine, request(2)))[-1]
        assert last.finish_reason == "length"
        assert last.cached_tokens is None


async def test_a_damaged_engine_is_told_in_tensorrts_words(tmp_path: Path) -> None:
    directory = compiled_engine(tmp_path)
    (directory / "rank0.engine").write_text("no engine")
    with pytest.raises(StartError, match=r"cannot start: .*Failed to deserialize cuda engine"):
        async with running_engine(engine_dir=str(directory)):
            pass


async def test_an_engine_that_is_not_as_long_as_it_was_built_is_refused(tmp_path: Path) -> None:
    directory = compiled_engine(tmp_path)
    note = {"files": {"rank0.engine": {"sha256": "0", "size": 10**6}}}
    change_json(directory / "build.json", note)
    with pytest.raises(StartError, match=r"rank0\.engine is damaged: \d+ bytes instead of 1000000"):
        async with running_engine(engine_dir=str(directory)):
            pass


async def test_a_compiled_engine_of_another_model_is_refused(tmp_path: Path) -> None:
    directory = compiled_engine(tmp_path, max_seq_len=64)
    with pytest.raises(StartError, match="'max_model_len': 4096 tokens"):
        async with running_engine(engine_dir=str(directory)):
            pass
