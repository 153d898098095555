"""What takes requests in the engine's own process and hands out what the scheduler made."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import zmq
import zmq.asyncio
from tokenizers import Tokenizer

from ..configs.model_config import ModelConfig
from ..sampling.sampling_params import SamplingParams
from ..server_args import ServerArgs
from ..utils.common import kill_process_tree
from ..utils.watchdog import SubprocessWatchdog
from .io_struct import (
    AbortReq,
    BatchTokenIDOutput,
    GenerateReqInput,
    ShutdownReq,
    TokenizedGenerateReqInput,
)
from .load_snapshot import ShmLoadSnapshotReader
from .request_state import ReqState, coalesce
from .scheduler import PortArgs

logger = logging.getLogger(__name__)


class EngineTokenizer:
    """The attributes of a Transformers tokenizer that SGLang asks for."""

    additional_stop_token_ids: set[int] | None = None

    def __init__(self, config: ModelConfig) -> None:
        self.fast = Tokenizer.from_file(str(config.path / "tokenizer.json"))
        self.eos_token_id: int | None = min(config.hf_eos_token_id)


class TokenizerManager:
    def __init__(self, server_args: ServerArgs, port_args: PortArgs) -> None:
        self.server_args = server_args
        self.model_config = ModelConfig(server_args)
        self.context_len = self.model_config.context_len
        skipped = server_args.skip_tokenizer_init
        self.tokenizer = None if skipped else EngineTokenizer(self.model_config)
        self.max_req_input_len: int | None = None
        self.rid_to_state: dict[str, ReqState] = {}
        self.event_loop: asyncio.AbstractEventLoop | None = None
        self.asyncio_tasks: set[asyncio.Task[None]] = set()
        self.gracefully_exit = False
        self.signal_handler_class = SignalHandler
        self.load_snapshot_reader = ShmLoadSnapshotReader(port_args.loads_path)
        self._subprocess_watchdog: SubprocessWatchdog | None = None
        context = zmq.asyncio.Context(2)
        self.recv_from_detokenizer = context.socket(zmq.PULL)
        self.recv_from_detokenizer.bind(port_args.tokenizer_ipc_name)
        self.send_to_scheduler = context.socket(zmq.PUSH)
        self.send_to_scheduler.bind(port_args.scheduler_input_ipc_name)

    async def generate_request(
        self, obj: GenerateReqInput, request: Any = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Leaving the generator aborts the request."""
        self.auto_create_handle_loop()
        obj.normalize_batch_and_arguments()
        if obj.rid in self.rid_to_state:
            raise ValueError(f"Duplicate request ID detected: {obj.rid}")
        self.rid_to_state[obj.rid] = state = ReqState(obj, self.tokenizer)
        try:
            self._dispatch_to_scheduler(self._tokenized(obj))
            state.dispatched = True
            async for output in self._stream_one_response(state):
                yield output
        except BaseException:
            self._release(state)
            raise

    def _tokenized(self, obj: GenerateReqInput) -> TokenizedGenerateReqInput:
        """Raises ValueError or TypeError for a request that cannot be."""
        length = len(obj.input_ids)
        limit = obj.sampling_params.get("max_new_tokens")
        if length >= self.context_len:
            raise ValueError(f"The input ({length} tokens) is longer than {self.context_len}.")
        if limit is not None and limit + length > self.context_len:
            raise ValueError(f"Requested token count exceeds {self.context_len} tokens.")
        preferred = self.server_args.preferred_sampling_params or {}
        params = SamplingParams(**{**preferred, **obj.sampling_params})
        params.normalize(self.tokenizer)
        params.verify(self.model_config.vocab_size)
        return TokenizedGenerateReqInput(
            rid=obj.rid,
            input_ids=obj.input_ids,
            sampling_params=params,
            return_logprob=obj.return_logprob,
            top_logprobs_num=obj.top_logprobs_num,
            stream=obj.stream,
        )

    async def _stream_one_response(self, state: ReqState) -> AsyncGenerator[dict[str, Any], None]:
        """Waits for the next output without limit."""
        stream = state.obj.stream
        while True:
            await state.event.wait()
            outputs, state.out_list = state.out_list, []
            finished = state.finished
            state.event.clear()
            incremental = self.server_args.incremental_streaming_output
            output = coalesce(outputs) if incremental and stream else outputs[-1]
            if stream or finished:
                yield output
            if finished:
                return

    def _release(self, state: ReqState) -> None:
        rid = state.obj.rid
        if self.rid_to_state.get(rid) is state:
            if state.dispatched:
                self.abort_request(rid)
            else:
                del self.rid_to_state[rid]

    def abort_request(self, rid: str = "", abort_all: bool = False) -> None:
        state = self.rid_to_state.get(rid)
        if abort_all:
            self._dispatch_to_scheduler(AbortReq(abort_all=True))
        elif state is not None and not state.abort_sent:
            state.abort_sent = True
            self._dispatch_to_scheduler(AbortReq(rid=rid))

    def _dispatch_to_scheduler(self, obj: Any) -> None:
        self.send_to_scheduler.send_pyobj(obj)

    def auto_create_handle_loop(self) -> None:
        """At the first request: receives from then on, and takes the signals of the process."""
        if self.event_loop is not None:
            return
        self.event_loop = loop = asyncio.get_running_loop()
        self.asyncio_tasks.add(loop.create_task(print_exception_wrapper(self.handle_loop)))
        if threading.current_thread() is threading.main_thread():
            handler = self.signal_handler_class(self)
            loop.add_signal_handler(signal.SIGTERM, handler.sigterm_handler)
            loop.add_signal_handler(signal.SIGQUIT, handler.running_phase_sigquit_handler)
        self.asyncio_tasks.add(loop.create_task(print_exception_wrapper(self.sigterm_watchdog)))

    async def handle_loop(self) -> None:
        while True:
            received = await self.recv_from_detokenizer.recv_pyobj()
            match received:
                case BatchTokenIDOutput():
                    self._handle_batch_output(received)
                case AbortReq():
                    self._handle_abort_req(received)

    def _handle_batch_output(self, recv_obj: BatchTokenIDOutput) -> None:
        for item in recv_obj.items:
            state = self.rid_to_state.get(item.rid)
            if state is None:
                logger.warning("Received output for %s but the state was deleted.", item.rid)
                continue
            incremental = state.obj.stream and self.server_args.incremental_streaming_output
            state.take(item, incremental=incremental)
            if state.finished:
                del self.rid_to_state[item.rid]

    def _handle_abort_req(self, recv_obj: AbortReq) -> None:
        state = self.rid_to_state.pop(recv_obj.rid or "", None)
        if state is not None:
            message = recv_obj.abort_message or "Abort in waiting queue"
            reason = recv_obj.finished_reason or {"type": "abort", "message": message}
            state.abort(reason, incremental=self.server_args.incremental_streaming_output)

    async def sigterm_watchdog(self) -> None:
        while not self.gracefully_exit or self.rid_to_state:  # noqa: ASYNC110
            await asyncio.sleep(5)
        if self._subprocess_watchdog is not None:
            self._subprocess_watchdog.stop()
        self._dispatch_to_scheduler(ShutdownReq())
        kill_process_tree(os.getpid(), include_parent=False)
        sys.exit(0)


async def print_exception_wrapper(func: Callable[[], Awaitable[None]]) -> None:
    try:
        await func()
    except Exception:
        logger.exception("TokenizerManager hit an exception")
        kill_process_tree(os.getpid(), include_parent=True)
        sys.exit(1)


class SignalHandler:
    def __init__(self, tokenizer_manager: TokenizerManager) -> None:
        self.tokenizer_manager = tokenizer_manager

    def sigterm_handler(self, signum: int | None = None, frame: Any = None) -> None:
        self.tokenizer_manager.gracefully_exit = True

    def running_phase_sigquit_handler(self, signum: int | None = None, frame: Any = None) -> None:
        kill_process_tree(os.getpid())
