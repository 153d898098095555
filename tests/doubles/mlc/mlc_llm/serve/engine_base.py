"""Between the engine's threads and the event loop."""

import asyncio
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from .config import EngineConfig
from .data import RequestStreamOutput
from .threaded_engine import ThreadedEngine

DEVICES = ("cuda", "rocm", "metal", "vulkan", "opencl", "cpu")


@dataclass
class CallbackStreamOutput:
    delta_text: str
    delta_logprob_json_strs: list[str] | None
    finish_reason: str | None
    request_final_usage_json_str: str | None


class AsyncRequestStream:
    """The answer of one request; an exception that was pushed is raised in its turn."""

    _queue: asyncio.Queue[Any]
    _finished: bool

    def __init__(self) -> None:
        self._queue = asyncio.Queue()
        self._finished = False

    def push(self, item_or_exception: list[CallbackStreamOutput] | Exception) -> None:
        if self._finished:
            item_or_exception = RuntimeError("The request has already finished.")
        self._queue.put_nowait(item_or_exception)

    def finish(self) -> None:
        self._queue.put_nowait(None)
        self._finished = True

    def __aiter__(self) -> "AsyncRequestStream":
        return self

    async def __anext__(self) -> list[CallbackStreamOutput]:
        item = await self._queue.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        outputs: list[CallbackStreamOutput] = item
        return outputs


class EngineState:
    """The requests under way; those of all engines of the process are in one table."""

    trace_recorder = None
    async_event_loop: asyncio.AbstractEventLoop | None = None
    async_streamers: ClassVar[dict[str, tuple[AsyncRequestStream, list[Any]]]] = {}

    def __init__(self, enable_tracing: bool) -> None:
        if enable_tracing:
            raise NotImplementedError("the double records no events")

    def async_lazy_init_event_loop(self) -> None:
        if self.async_event_loop is None:
            self.async_event_loop = asyncio.get_event_loop()

    def get_request_stream_callback(
        self, kind: Literal["async", "sync"]
    ) -> Callable[[list[RequestStreamOutput]], None]:
        assert kind == "async"
        return self._callback

    def _callback(self, delta_outputs: list[RequestStreamOutput]) -> None:
        assert self.async_event_loop is not None
        self.async_event_loop.call_soon_threadsafe(self._on_the_loop, delta_outputs)

    def _on_the_loop(self, delta_outputs: list[RequestStreamOutput]) -> None:
        """A request that is not in the table any more is passed over without a word."""
        for delta_output in delta_outputs:
            request_id, (output,) = delta_output.unpack()
            if request_id not in self.async_streamers:
                continue
            stream, (streamer,) = self.async_streamers[request_id]
            usage = output.request_final_usage_json_str
            text = output.extra_prefix_string
            if output.delta_token_ids:
                text += streamer.put(output.delta_token_ids)
            if output.finish_reason is not None:
                text += streamer.finish()
            stream.push(
                [
                    CallbackStreamOutput(
                        text, output.delta_logprob_json_strs, output.finish_reason, usage
                    )
                ]
            )
            if usage is not None:
                stream.finish()
                del self.async_streamers[request_id]


class MLCEngineBase:
    """Starts the engine's two threads and waits until one of them has loaded the model."""

    def __init__(
        self,
        kind: Literal["async", "sync"],
        model: str,
        device: str,
        model_lib: str | None,
        mode: Literal["local", "interactive", "server"],
        engine_config: EngineConfig | None,
        enable_tracing: bool,
    ) -> None:
        config = EngineConfig() if engine_config is None else engine_config
        if config.kv_cache_page_size != 16:
            raise ValueError("KV cache only supports page size 16")
        if device != "auto" and device.partition(":")[0] not in DEVICES:
            raise ValueError(f"Invalid device name: {device}")
        assert "DOUBLE_NO_DEVICE" not in os.environ
        config.model, config.mode = model, mode
        config.model_lib = _library(Path(model), model_lib)
        self.state = EngineState(enable_tracing)
        self._ffi = ThreadedEngine().functions()
        self._ffi["init_threaded_engine"](
            device, self.state.get_request_stream_callback(kind), self.state.trace_recorder
        )
        self._background_loop_thread = threading.Thread(target=self._ffi["run_background_loop"])
        self._background_stream_back_loop_thread = threading.Thread(
            target=self._ffi["run_background_stream_back_loop"]
        )
        self._background_loop_thread.start()
        self._background_stream_back_loop_thread.start()
        self._terminated = False
        self._ffi["reload"](config.asjson())
        self.engine_config = EngineConfig.from_json(self._ffi["get_complete_engine_config"]())
        assert self.engine_config.max_single_sequence_length is not None
        assert self.engine_config.max_total_sequence_length is not None
        self.max_input_sequence_length = min(
            self.engine_config.max_single_sequence_length,
            self.engine_config.max_total_sequence_length,
        )

    def terminate(self) -> None:
        if getattr(self, "_terminated", False):
            return
        self._terminated = True
        if hasattr(self, "_ffi"):
            self._ffi["exit_background_loop"]()
            self._background_loop_thread.join()
            self._background_stream_back_loop_thread.join()

    def reset(self) -> None:
        self._ffi["reset"]()


def _library(model: Path, model_lib: str | None) -> str:
    """Raises what MLC-LLM raises for a file that is not there."""
    if not (model / "mlc-chat-config.json").is_file():
        raise FileNotFoundError(f"Cannot find {model / 'mlc-chat-config.json'}")
    json.loads((model / "mlc-chat-config.json").read_text("utf-8"))
    if model_lib is None:
        policy = os.environ.get("MLC_JIT_POLICY", "ON")
        raise RuntimeError(f"JIT is disabled by MLC_JIT_POLICY={policy}")
    if not Path(model_lib).is_file():
        raise FileNotFoundError(f"The `model_lib` you passed in is not a file: {model_lib}.")
    return model_lib
