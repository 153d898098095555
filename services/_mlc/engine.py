"""An AsyncMLCEngine with token ids in and token ids out.

Its public calls give text: with special tokens in it, without the space that a SentencePiece model
begins a word with, and ended by a conversation template's stop strings too. The ids are there, one
step before: MLC-LLM's callback looks a request up in `state.async_streamers` and hands its ids to
the streamer there, which here keeps them. What is used of MLC-LLM beyond its public names is in
NEEDED, and its presence is checked after loading.
"""

import asyncio
import contextlib
import dataclasses
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from common.engine import Chunk
from common.engine_args import check_engine_args
from common.errors import EngineDead, InvalidValue, StartError
from common.sampling import Sampling
from services._mlc.request import generation_config, last_chunk, one_line

OWN_ARGS = ("device", "mode", "model_lib")
"""Arguments of AsyncMLCEngine itself; the others are fields of EngineConfig."""
RESERVED = {"model": "it is the directory of the setting 'engine_dir'"}
NEEDED = attrgetter("_abort", "_ffi", "state.async_lazy_init_event_loop", "state.async_streamers")
POLL = 0.25
STOP_TIMEOUT = 3.0
THREADS = ("_background_loop_thread", "_background_stream_back_loop_thread")
"""Attributes of AsyncMLCEngine."""


class TokenIds:
    """Stands where MLC-LLM keeps a request's TextStreamer: ids in, no text out."""

    __slots__ = ("_new",)

    def __init__(self) -> None:
        self._new: list[int] = []

    def put(self, ids: Sequence[int]) -> str:
        self._new.extend(ids)
        return ""

    def finish(self) -> str:
        return ""

    def take(self) -> list[int]:
        """Returns the ids that came since the last call."""
        new, self._new = self._new, []
        return new


class AsyncEngine:
    """One AsyncMLCEngine, its generations and its death, which MLC-LLM reports to nobody."""

    def __init__(self) -> None:
        self.dead: str | None = None
        self._engine: Any = None
        self.threads = EngineThreads()
        self._streams: set[Any] = set()
        self._watching: asyncio.Task[None] | None = None

    @property
    def max_tokens(self) -> int:
        """Returns how many tokens one sequence can have in the KV cache."""
        return int(self._engine.max_input_sequence_length)

    def construct(self, own: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Import MLC-LLM and load the model, for many seconds. Raises StartError.

        `own` are arguments of AsyncMLCEngine, `config` those of EngineConfig.
        """
        try:
            from mlc_llm.serve import AsyncMLCEngine, EngineConfig
        except Exception as error:
            # ctypes raises an OSError for a library that is not there.
            raise StartError(f"MLC-LLM cannot be imported: {one_line(error)}") from error
        try:
            fields = {field.name for field in dataclasses.fields(EngineConfig)}
            check_engine_args(config, fields | {*OWN_ARGS}, "MLC-LLM", reserved=RESERVED)
            self._engine = engine = AsyncMLCEngine.__new__(AsyncMLCEngine)
            self.threads.watch(engine)
            engine.__init__(**own, engine_config=EngineConfig(**config))
            NEEDED(engine)
        except StartError:
            raise
        except AttributeError as error:
            raise StartError(f"this MLC-LLM cannot be used: {one_line(error)}") from error
        except Exception as error:
            # An assertion without words is all that it says when it finds no device.
            reason = "it finds no device" if not str(error) else one_line(error)
            raise StartError(f"MLC-LLM cannot load the model: {reason}") from error

    def watch(self) -> None:
        """Begin to watch the threads, once the engine is constructed."""
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """End all generations when a thread dies; they would wait for ever."""
        while True:
            await asyncio.sleep(POLL)
            if reason := self.threads.death():
                break
        self.dead = f"MLC-LLM's engine has ended: {reason}"
        for stream in self._streams:
            stream.push(EngineDead(self.dead))

    async def generate(
        self, request_id: str, prompt_ids: Sequence[int], sampling: Sampling
    ) -> AsyncGenerator[Chunk, None]:
        """Yield chunks. Raises InvalidValue, UnsupportedParameter, InternalError, EngineDead."""
        config = generation_config(sampling)
        reason = None
        with self._request(request_id, prompt_ids, config) as (stream, ids):
            async for (output,) in stream:
                if output.request_final_usage_json_str is not None:
                    usage = json.loads(output.request_final_usage_json_str)
                    yield last_chunk(ids.take(), reason, usage, sampling)
                elif output.finish_reason is not None:
                    # The usage is already on its way.
                    reason = output.finish_reason
                elif new := ids.take():
                    yield Chunk(new)

    @contextlib.contextmanager
    def _request(
        self, request_id: str, prompt_ids: Sequence[int], config: Any
    ) -> Iterator[tuple[Any, TokenIds]]:
        """Add a request, and abort it at the end unless MLC-LLM has finished it."""
        from mlc_llm.serve.data import TokenData
        from mlc_llm.serve.engine_base import AsyncRequestStream

        if self.dead is not None:
            raise EngineDead(self.dead)
        engine = self._engine
        engine.state.async_lazy_init_event_loop()
        prompt = [TokenData(list(prompt_ids))]
        try:
            request = engine._ffi["create_request"](
                request_id, prompt, config.model_dump_json(by_alias=True)
            )
        except Exception as error:
            raise InvalidValue(f"MLC-LLM refuses the request: {one_line(error)}") from error
        stream, ids = AsyncRequestStream(), TokenIds()
        engine.state.async_streamers[request_id] = (stream, [ids])
        self._streams.add(stream)
        try:
            engine._ffi["add_request"](request)
            yield stream, ids
        finally:
            self._streams.discard(stream)
            if request_id in engine.state.async_streamers:
                engine._abort(request_id)

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self._engine is not None:
            await asyncio.wait([in_daemon_thread(self._engine.terminate)], timeout=STOP_TIMEOUT)
        self.threads.close()


class EngineThreads:
    """The threads of an AsyncMLCEngine, also of one whose constructor has not returned."""

    def __init__(self) -> None:
        self._last_error = ""
        self._engine: Any = None
        self._previous = threading.excepthook

    def watch(self, engine: Any) -> None:
        """Begin to watch the threads of `engine`, which need not be constructed yet."""
        self._engine = engine
        self._previous = threading.excepthook
        # An exception that ends a thread is seen nowhere else.
        threading.excepthook = self._on_exception

    def death(self) -> str | None:
        """Returns what one of them ended with, None while all live or are about to start."""
        for thread in self._threads():
            if thread.ident is not None and not thread.is_alive():
                return self._last_error or "a thread of MLC-LLM's has ended"
        return None

    def close(self) -> None:
        if threading.excepthook == self._on_exception:
            threading.excepthook = self._previous

    def _threads(self) -> list[threading.Thread]:
        return [thread for name in THREADS if (thread := getattr(self._engine, name, None))]

    def _on_exception(self, ended: threading.ExceptHookArgs) -> None:
        if ended.thread in self._threads() and ended.exc_value is not None:
            self._last_error = one_line(ended.exc_value)
        self._previous(ended)


def in_daemon_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Run `work` in a thread that does not hold up the end of the process.

    The threads that `work` starts are daemons too.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:
            error = raised
        # The loop may have been closed meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="mlc", daemon=True).start()
    return future
