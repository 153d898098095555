"""Sends requests to the process that runs the model, and its responses to the requests.

DOUBLE_DIE_AFTER: tokens after which the executor fails in the background, as an exception in the
event loop of the model's process does. DOUBLE_REQUEST_ERROR_AFTER: tokens of one request after
which it fails alone.
"""

import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from queue import Queue
from random import Random

from tests.doubles.generation import DemoGenerator, Handle, Token

from ..sampling_params import SamplingParams
from .adapters import Adapters
from .request import LoRARequest
from .result import RequestError, RequestOutput, Response
from .translation import options


class GenerationExecutorProxy:
    """The model runs here, but only as long as its process lives."""

    def __init__(
        self,
        generator: DemoGenerator,
        *,
        cpp: bool,
        max_seq_len: int,
        guided: bool,
        adapters: Adapters | None = None,
    ) -> None:
        self.generator = generator
        self._adapters = adapters
        self.doing_shutdown = False
        self.mpi_futures: list[Future[None]] = [Future()]
        self._error_queue: Queue[Exception] = Queue()
        self._cpp = cpp
        self._max_seq_len = max_seq_len
        self._guided = guided
        self._random = Random(42)
        self._results: dict[int, tuple[RequestOutput, Handle]] = {}
        self._silent = False
        self._tokens = 0
        self._last_id = 1
        self._lock = threading.RLock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mpi4py.futures.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        with self._process.stdout as started:
            started.readline()
        threading.Thread(target=self._follow, daemon=True).start()

    def is_shutdown(self) -> bool:
        return self.doing_shutdown

    def submit(
        self, prompt: list[int], params: SamplingParams, adapter: LoRARequest | None
    ) -> RequestOutput:
        self._last_id += 1
        result = RequestOutput(
            self._last_id, prompt, params, self.abort_request, self._handle_background_error
        )
        with self._lock:
            if not self._silent:
                self._begin(result, params, adapter)
        self._handle_background_error()
        return result

    def abort_request(self, request_id: int) -> None:
        """The result follows, as the last one."""
        with self._lock:
            result, handle = self._results.pop(request_id, (None, None))
        if result is not None and handle is not None:
            handle.abort()
            result.put(Response([], "CANCELLED"))

    def shutdown(self) -> None:
        """Waits for the process, and so for ever when that hangs."""
        if self.doing_shutdown:
            return
        self.doing_shutdown = True
        for request_id in list(self._results):
            self.abort_request(request_id)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self.generator.close()
        if self._adapters is not None:
            self._adapters.close()

    def _generator(self, adapter: LoRARequest | None) -> DemoGenerator:
        if adapter is None:
            return self.generator
        if self._adapters is None:
            raise ValueError("LoRA is not enabled")
        return self._adapters.generator(adapter)

    def _begin(
        self, result: RequestOutput, params: SamplingParams, adapter: LoRARequest | None
    ) -> None:
        prompt = result.prompt_token_ids
        room = self._max_seq_len - len(prompt)
        guided = params.guided_decoding
        try:
            if room < 1:
                raise ValueError(f"prompt length {len(prompt)} is larger than max_seq_len")
            if guided is not None and not self._guided:
                raise ValueError("guided decoding is not enabled")
            bias = params.embedding_bias
            if bias is not None and list(bias.shape) != [self.generator.vocab_size]:
                raise ValueError(f"The embedding bias has the shape {bias.shape}")
            choices = options(params, prompt, self._cpp, self._random)
            generator = self._generator(adapter)
        except ValueError as error:
            result.put(Response([], None, str(error)))
            return
        count = 0

        def deliver(token: Token | Exception) -> None:
            nonlocal count
            if isinstance(token, Token):
                count += 1
                room_left = count < min(params.max_tokens, room)
                self._deliver(result, params, token, room_left=room_left, count=count)

        try:
            handle = generator.submit(prompt, choices, deliver)
        except ValueError as error:
            # A grammar that cannot be compiled fails the step, and all who are in it.
            self._fail_all(result, str(error))
            return
        self._results[result.request_id] = (result, handle)

    def _fail_all(self, result: RequestOutput, reason: str) -> None:
        for other, handle in self._results.values():
            handle.abort()
            other.put(Response([], None, reason))
        self._results.clear()
        result.put(Response([], None, reason))

    def _deliver(
        self,
        result: RequestOutput,
        params: SamplingParams,
        token: Token,
        *,
        room_left: bool,
        count: int,
    ) -> None:
        self._tokens += 1
        if self._tokens == int(os.environ.get("DOUBLE_DIE_AFTER", 0)):
            self._die(RuntimeError("CUDA error: an illegal memory access was encountered"))
        if self._silent:
            return
        if count == int(os.environ.get("DOUBLE_REQUEST_ERROR_AFTER", 0)):
            self._forget(result)
            result.put(Response([], None, "the request was told to fail"))
            return
        ended = token.finish == "stop"
        finish = None
        if ended and token.id == params.end_id:
            finish = "END_ID"
        elif not room_left:
            finish = "LENGTH"
        elif ended:
            finish = "STOP_WORDS" if token.id in (params.stop_token_ids or ()) else "END_ID"
        if finish is not None:
            self._forget(result)
        hidden = self._cpp and finish == "END_ID" and token.id == params.end_id
        result.put(Response([] if hidden else [token.id], finish))

    def _forget(self, result: RequestOutput) -> None:
        with self._lock:
            entry = self._results.pop(result.request_id, None)
        if entry is not None:
            entry[1].abort()

    def _die(self, error: Exception) -> None:
        """Nobody is told but who gets another result or submits."""
        self._silent = True
        self._error_queue.put(error)
        self.mpi_futures[0].set_exception(error)

    def _follow(self) -> None:
        """Without its process nothing is generated; nobody notices, with MPI between them."""
        self._process.wait()
        self._silent = True

    def _handle_background_error(self, error: Exception | str | None = None) -> None:
        if isinstance(error, str):
            raise RequestError(error)
        if not self._error_queue.empty():
            failed = self._error_queue.get()
            self.shutdown()
            raise failed
