"""vLLM in process: AsyncLLM on the service's event loop, its EngineCore in child processes."""

import asyncio
import contextlib
import dataclasses
import logging
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import psutil
from prometheus_client import REGISTRY

from common.engine import Chunk, Engine, GenerateRequest, Health, Phase, Tested
from common.engine_args import check_engine_args
from common.errors import ServiceError, StartError
from common.processes.descendants import Children, kill
from common.processes.signals import stop_signals_blocked
from common.sampling import Sampling
from common.service.bento_service import llm_service
from services._vllm.request import chunk, one_line, sampling_params, service_error

DEFAULT_ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    # A forked child would inherit this process's held locks and the service's listening socket.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    # It would tell of what the killed children left, while it cleans that up.
    "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
}
MAX_LOGPROBS = 20
WARM_UP = Sampling(
    max_tokens=2, top_p=0.9, top_k=8, min_p=0.01, repetition_penalty=1.1, logprobs=1, seed=0
)
"""Takes the paths that compile something when they are first used."""
CPU_MAX_SEQUENCES = 256
CPU_KV_CACHE_GIB = 1.0
THREADS_BIND = "VLLM_CPU_OMP_THREADS_BIND"
STOP_TIMEOUT = 3.0
KV_CACHE_USAGE = REGISTRY.restricted_registry(["vllm:kv_cache_usage_perc"])


class VLLMEngine(Engine):
    """Token ids in and out; vLLM's own tokenizer serves structured output only."""

    name = "vllm"
    title = "vLLM"
    release = "0.32.0"
    interface = "`AsyncLLM` in process"
    tested = Tested(cpu="`vllm-cpu` 0.32.0, every test run")
    package = "vllm"

    _llm: Any = None
    _loading: asyncio.Future[None] | None = None
    _stopped = False
    _children: Children | None = None

    @property
    def version(self) -> str:
        import vllm

        return str(vllm.__version__)

    async def start(self, report: Callable[[Phase], None]) -> None:
        report("load")
        for name, value in DEFAULT_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        children = self._children = Children()
        self._loading = asyncio.ensure_future(asyncio.to_thread(self._load, children))
        while not (await asyncio.wait([self._loading], timeout=0.5))[0]:
            # An EngineCore that fails asks its workers to end and waits for them without limit.
            kill(filter(_asked_to_end, children.now()))
        self._loading.result()
        report("warm-up")
        async for _ in self.generate(GenerateRequest("warm-up", (0,), WARM_UP)):
            pass

    def _load(self, children: Children) -> None:
        """Import vLLM and construct the engine: it blocks for many seconds, so in a thread."""
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        values = self._engine_args({field.name for field in dataclasses.fields(AsyncEngineArgs)})
        try:
            config = AsyncEngineArgs(**values).create_engine_config()
        except Exception as error:
            raise StartError(f"vLLM refuses its arguments: {one_line(error)}") from error
        if self._stopped:
            raise StartError("stopped while loading")
        try:
            with stop_signals_blocked():
                self._llm = AsyncLLM.from_vllm_config(config)
        except Exception as error:
            raise StartError(f"vLLM cannot load the model: {one_line(error)}") from error
        children.now()

    def _engine_args(self, allowed: set[str]) -> dict[str, Any]:
        """Raises StartError for an engine argument that vLLM does not have."""
        from vllm.platforms import current_platform

        settings = self.settings
        check_engine_args(
            settings.engine_args, allowed, self.title, "the fields of vllm.AsyncEngineArgs"
        )
        values: dict[str, Any] = {
            "model": str(self.model.path),
            "served_model_name": self.model.served_name,
            "dtype": settings.dtype,
            "quantization": self.model.load.engine_name,
            "tensor_parallel_size": settings.tensor_parallel_size,
            "max_model_len": self.model.max_model_len,
            "max_num_seqs": settings.max_concurrency,
            "gpu_memory_utilization": settings.gpu_memory_utilization,
            # None is on wherever the model allows it; True would insist.
            "enable_prefix_caching": None if settings.prefix_caching else False,
            "enable_chunked_prefill": None if settings.chunked_prefill else False,
            "seed": settings.seed,
            "trust_remote_code": settings.trust_remote_code,
            "max_logprobs": MAX_LOGPROBS,
            "generation_config": "vllm",
            "disable_log_stats": False,
            "enable_log_requests": False,
        }
        if current_platform.is_cpu():
            values |= self._cpu_args()
        if settings.kv_cache_gib is not None:
            values["kv_cache_memory_bytes"] = int(settings.kv_cache_gib * 2**30)
        return values | settings.engine_args

    def _cpu_args(self) -> dict[str, Any]:
        settings = self.settings
        values: dict[str, Any] = {
            "max_num_seqs": min(settings.max_concurrency, CPU_MAX_SEQUENCES),
            "kv_cache_memory_bytes": int(CPU_KV_CACHE_GIB * 2**30),
            "enforce_eager": True,
            "worker_extension_cls": "services._vllm.amx.AMX",
        }
        if settings.tensor_parallel_size == 1 and THREADS_BIND not in os.environ:
            from vllm.v1.executor.uniproc_executor import UniProcExecutor

            # vLLM's choice on a CPU is a worker process, for which EngineCore waits in a spin
            # that takes the HTTP process's core: 50 streams then take up to 8 times as long.
            values["distributed_executor_backend"] = UniProcExecutor
            os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
        return values

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        from vllm.inputs import tokens_input

        wanted_logprobs = request.sampling.logprobs
        try:
            outputs = self._llm.generate(
                tokens_input(list(request.prompt_ids)),
                sampling_params(request.sampling),
                request.request_id,
            )
            async with contextlib.aclosing(outputs):
                async for output in outputs:
                    yield chunk(output, wanted_logprobs)
        except ServiceError:
            raise
        except Exception as error:
            raise service_error(error) from error

    async def health(self) -> Health:
        if self._llm is None or self._llm.errored:
            return Health(False, "vLLM's EngineCore process has died")
        samples = [sample.value for gauge in KV_CACHE_USAGE.collect() for sample in gauge.samples]
        return Health(True, kv_cache_usage=max(samples, default=None))

    async def stop(self) -> None:
        """Kill the children: they have SIGTERM blocked, and nothing in them needs saving."""
        self._stopped = True
        if self._children is None:
            return
        deadline = time.monotonic() + STOP_TIMEOUT
        while self._loading and not self._loading.done() and time.monotonic() < deadline:
            self._children.kill()
            await asyncio.wait([self._loading], timeout=0.1)
        self._children.now()
        if self._llm is not None:
            # It would warn of every child that it kills.
            logging.getLogger("vllm").setLevel(logging.ERROR)
            self._llm.shutdown(timeout=0)
            self._llm = None
        self._children.kill()
        await asyncio.to_thread(self._children.wait_until_gone, deadline)


def _asked_to_end(process: psutil.Process) -> bool:
    """A SIGTERM waits behind the block. Known on Linux only."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return False
    pending = int(status.partition("ShdPnd:")[2].split()[0], 16)
    return bool(pending >> (signal.SIGTERM - 1) & 1)


VLLM = llm_service(VLLMEngine, name="VLLM")
