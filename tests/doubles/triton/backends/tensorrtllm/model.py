"""The backend `tensorrtllm` as tritonserver's Python backend runs it."""

import itertools
import json
import os
import signal
import threading
import time
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

from tests.doubles.generation import DemoGenerator, Handle, Token
from tests.doubles.triton.generation import Generation, Piece
from tests.doubles.triton.launch import REPOSITORY
from tests.doubles.triton.settings import BackendSettings, read_settings

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class Request:
    """One running generation and the way of its responses."""

    def __init__(self, number: int, request: Any, settings: BackendSettings) -> None:
        self.number = number
        self.sender = request.get_response_sender()
        self.outputs = set(request.requested_output_names())
        tensors = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        self.generation = Generation(tensors, settings, self._respond)
        for name in ("output_ids", "sequence_length"):
            if name not in self.outputs:
                raise ValueError(f"{name} tensor must be present in list of output tensors")
        self.handle: Handle | None = None
        self._looked = time.monotonic()

    def is_cancelled(self, period: float) -> bool:
        """Looks at most once in `period` seconds."""
        now = time.monotonic()
        if now - self._looked < period:
            return False
        self._looked = now
        return bool(self.sender.is_cancelled())

    def fail(self, error: Exception) -> None:
        text = f"Executor failed process requestId {self.number} due to the following error: "
        send_error(self.sender, f"{text}{error}")

    def _respond(self, piece: Piece) -> None:
        tensors = {
            "output_ids": np.array([[piece.ids]], np.int32),
            "sequence_length": np.array([[len(piece.ids)]], np.int32),
        }
        if piece.logprobs is not None:
            tensors["output_log_probs"] = np.array([[piece.logprobs]], np.float32)
            tensors["cum_log_probs"] = np.array([[sum(piece.logprobs)]], np.float32)
        sent = [pb_utils.Tensor(n, value) for n, value in tensors.items() if n in self.outputs]
        self.sender.send(pb_utils.InferenceResponse(sent), flags=FINAL if piece.final else 0)


def send_error(sender: Any, text: str) -> None:
    sender.send(pb_utils.InferenceResponse(error=pb_utils.TritonError(text)), flags=FINAL)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._settings = read_settings(json.loads(args["model_config"]))
        self._generator = DemoGenerator(REPOSITORY / "common" / "demo_model")
        self._numbers = itertools.count(1)
        self._running: set[Request] = set()
        self._die_after = int(os.environ.get("DOUBLE_DIE_AFTER", 0))
        self._made = 0
        self._kv_cache = self._kv_cache_metric(args)
        self._submitting = threading.Lock()

    def _kv_cache_metric(self, args: dict[str, str]) -> Any:
        self._family = pb_utils.MetricFamily(
            name="nv_trt_llm_kv_cache_block_metrics",
            description="TRT LLM KV cache block metrics",
            kind=pb_utils.MetricFamily.GAUGE,
        )
        return self._family.Metric(
            labels={
                "kv_cache_block_type": "fraction",
                "model": args["model_name"],
                "version": args["model_version"],
            }
        )

    def execute(self, requests: list[Any]) -> None:
        for request in requests:
            try:
                accepted = Request(next(self._numbers), request, self._settings)
            except Exception as error:
                send_error(request.get_response_sender(), str(error))
            else:
                self._submit(accepted)

    def _submit(self, request: Request) -> None:
        """Only the generator's thread uses the sender, which is gone after its last response."""

        def deliver(item: Token | Exception) -> None:
            with self._submitting:
                self._deliver(request, item)

        generation = request.generation
        self._running.add(request)
        self._tell_usage()
        try:
            with self._submitting:
                request.handle = self._generator.submit(
                    generation.prompt_ids, generation.options, deliver
                )
        except Exception as error:
            self._running.discard(request)
            request.fail(error)

    def _deliver(self, request: Request, item: Token | Exception) -> None:
        if request not in self._running:
            return
        if isinstance(item, Exception):
            self._end(request)
            request.fail(item)
        elif request.is_cancelled(self._settings.cancellation_check_period):
            self._end(request)
            request.sender.send(flags=FINAL)
        else:
            self._count()
            if request.generation.take(item):
                self._end(request)

    def _end(self, request: Request) -> None:
        self._running.discard(request)
        assert request.handle is not None
        request.handle.abort()
        self._tell_usage()

    def _tell_usage(self) -> None:
        self._kv_cache.set(len(self._running) / self._settings.max_batch_size)

    def _count(self) -> None:
        """As an assertion in the engine does, which is a thread of the server: the server dies."""
        self._made += 1
        if self._die_after and self._made >= self._die_after:
            os.kill(os.getppid(), signal.SIGKILL)

    def finalize(self) -> None:
        self._generator.close()
