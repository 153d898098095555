"""The scheduler process: it queues, runs, aborts by prefix, and tells its parent when it fails."""

import logging
import signal
from collections import deque
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

import psutil
import zmq

from tests.doubles.generation import DemoGenerator, GeneratorDied, Token

from ..configs.model_config import ModelConfig
from ..server_args import ServerArgs
from ..utils.common import configure_logger, kill_itself_when_parent_died
from .io_struct import (
    AbortReq,
    BatchTokenIDOutput,
    ShutdownReq,
    TokenIDOutput,
    TokenizedGenerateReqInput,
)
from .load_snapshot import LoadSnapshot, ShmLoadSnapshotWriter
from .sequence import Running, abort, common_prefix
from .wire_types import check_types

logger = logging.getLogger(__name__)
KEPT_PROMPTS = 64
INPUT_RESERVE = 5


class PortArgs(NamedTuple):
    tokenizer_ipc_name: str
    scheduler_input_ipc_name: str
    loads_path: str


class Scheduler:
    """Everything happens in the thread that runs the event loop."""

    def __init__(self, server_args: ServerArgs, ports: PortArgs) -> None:
        if server_args.quantization is not None:
            raise ValueError(f"Cannot find the config file for {server_args.quantization}")
        config = ModelConfig(server_args)
        self._args = server_args
        self._generator = DemoGenerator(config.path)
        self._eos_ids: set[int] = set(config.hf_eos_token_id)
        self.max_total_num_tokens: int = server_args.max_total_tokens or 64 * config.context_len
        self._max_req_len = min(config.context_len, self.max_total_num_tokens) - 1
        self.max_req_input_len = self._max_req_len - INPUT_RESERVE
        self._limit: int = server_args.max_running_requests or 256
        self._waiting: deque[TokenizedGenerateReqInput] = deque()
        self._running: dict[str, Running] = {}
        self._prompts: deque[list[int]] = deque(maxlen=KEPT_PROMPTS)
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._loads = ShmLoadSnapshotWriter(ports.loads_path)
        context = zmq.Context()
        self._receive = context.socket(zmq.PULL)
        self._receive.connect(ports.scheduler_input_ipc_name)
        self._send = context.socket(zmq.PUSH)
        self._send.connect(ports.tokenizer_ipc_name)

    def run_event_loop(self) -> None:
        Thread(target=self._read, daemon=True).start()
        while True:
            batch = BatchTokenIDOutput()
            for item in self._arrived():
                if isinstance(item, ShutdownReq):
                    return
                self._handle(item, batch)
            self._fill(batch)
            used = sum(running.tokens for running in self._running.values())
            self._loads.write(LoadSnapshot(used / self.max_total_num_tokens))
            if batch.items:
                self._send.send_pyobj(batch)

    def _read(self) -> None:
        while True:
            self._inbox.put(self._receive.recv_pyobj())

    def _arrived(self) -> list[Any]:
        items = [self._inbox.get()]
        while not self._inbox.empty():
            items.append(self._inbox.get())
        return items

    def _handle(self, item: Any, batch: BatchTokenIDOutput) -> None:
        match item:
            case AbortReq():
                self._abort(item, batch)
            case TokenizedGenerateReqInput():
                check_types(item.sampling_params)
                self._waiting.append(item)
            case (Running() as running, Token() as token):
                self._token(running, token, batch)
            case (_, error):
                raise error

    def _abort(self, request: AbortReq, batch: BatchTokenIDOutput) -> None:
        """Of all whose id begins so; who waits is told at once."""
        prefix = request.rid or ""
        for waiting in [each for each in self._waiting if each.rid.startswith(prefix)]:
            self._waiting.remove(waiting)
            self._send.send_pyobj(AbortReq(rid=waiting.rid))
        for rid in [rid for rid in self._running if rid.startswith(prefix)]:
            running = self._running.pop(rid)
            running.stop()
            batch.items.append(running.output(None, abort("Aborted")))

    def _token(self, running: Running, token: Token, batch: BatchTokenIDOutput) -> None:
        rid = running.request.rid
        if self._running.get(rid) is not running:
            return
        output = running.output(token, None)
        batch.items.append(output)
        if output.finished_reason is not None:
            running.stop()
            del self._running[rid]
        elif running.must_go_on(token):
            running.start(self._generator, self._deliver)

    def _fill(self, batch: BatchTokenIDOutput) -> None:
        while self._waiting and len(self._running) < self._limit:
            request = self._waiting.popleft()
            refused = self._start(request)
            if refused is not None:
                batch.items.append(refused)

    def _start(self, request: TokenizedGenerateReqInput) -> TokenIDOutput | None:
        """The answer to a request that cannot be."""
        params = request.sampling_params
        length = len(request.input_ids)
        requested = params.max_new_tokens if params.max_new_tokens is not None else 1 << 30
        params.max_new_tokens = max(0, min(requested, self._max_req_len - length - 1))
        running = Running(
            request,
            self._eos_ids | (params.stop_token_ids or set()),
            deterministic=self._args.enable_deterministic_inference,
            cached_tokens=self._cached(request.input_ids),
        )
        message = f"Input length ({length} tokens) exceeds {self.max_req_input_len}."
        if length < self.max_req_input_len:
            try:
                running.start(self._generator, self._deliver)
            except (ValueError, GeneratorDied) as error:
                message = f"Failed to compile json grammar: {error}"
            else:
                self._running[request.rid] = running
                return None
        logger.error("%s, self.rid=%r", message, request.rid)
        return running.output(None, abort(message, 400))

    def _cached(self, prompt: list[int]) -> int:
        if self._args.disable_radix_cache:
            return 0
        known = max((common_prefix(prompt, other) for other in self._prompts), default=0)
        self._prompts.append(prompt)
        return min(known, len(prompt) - 1)

    def _deliver(self, running: Running, token: Token | Exception) -> None:
        self._inbox.put((running, token))


def run_scheduler_process(
    server_args: ServerArgs, ports: PortArgs, pipe_writer: "Connection[Any, Any]"
) -> None:
    kill_itself_when_parent_died()
    configure_logger(server_args)
    parent = psutil.Process().parent()
    try:
        scheduler = Scheduler(server_args, ports)
        ready = {"status": "ready", "max_req_input_len": scheduler.max_req_input_len}
        pipe_writer.send(ready)
        scheduler.run_event_loop()
    except Exception:
        logger.exception("Scheduler hit an exception")
        if parent is not None:
            parent.send_signal(signal.SIGQUIT)
