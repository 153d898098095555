"""vLLM in process: AsyncLLM on the service's event loop, its EngineCore in child processes."""

import contextlib
import dataclasses
import logging
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import psutil
from prometheus_client import REGISTRY

from common.engine import Chunk, GenerateRequest, Health, Tested
from common.engine_args import check_engine_args
from common.errors import ServiceError, StartError
from common.messages import one_line
from common.processes.descendants import kill
from common.processes.in_process_engine import InProcessEngine
from common.service.bento_service import llm_service
from services._vllm.arguments import ENVIRONMENT, cpu_arguments, engine_arguments
from services._vllm.request import WARM_UP, chunk, sampling_params, service_error

THREADS_BIND = "VLLM_CPU_OMP_THREADS_BIND"
KV_CACHE_USAGE = REGISTRY.restricted_registry(["vllm:kv_cache_usage_perc"])


class VLLMEngine(InProcessEngine):
    """Token ids in and out; vLLM's own tokenizer serves structured output only."""

    name = "vllm"
    title = "vLLM"
    release = "0.33.0"
    interface = "`AsyncLLM` in process"
    tested = Tested(
        cpu="`vllm-cpu` 0.32.0, in every test run", contract="the source code of 0.33.0, by hand"
    )
    package = "vllm"
    environment = {
        **ENVIRONMENT,
        # A forked child would inherit this process's held locks and the service's listening socket.
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        # It would warn of what the killed children left, while it cleans that up.
        "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
    }

    warm_up = WARM_UP

    _llm: Any = None

    @property
    def version(self) -> str:
        import vllm

        return str(vllm.__version__)

    def _while_loading(self) -> None:
        """Kill workers for which an EngineCore that fails waits without limit."""
        kill(filter(_asked_to_end, self._child_processes()))

    def _load(self) -> None:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        values = self._engine_args({field.name for field in dataclasses.fields(AsyncEngineArgs)})
        try:
            config = AsyncEngineArgs(**values).create_engine_config()
        except Exception as error:
            raise StartError(f"vLLM refuses its arguments: {one_line(error)}") from error
        self._check_stopping()
        try:
            self._llm = AsyncLLM.from_vllm_config(config)
        except Exception as error:
            raise StartError(f"vLLM cannot load the model: {one_line(error)}") from error

    def _engine_args(self, allowed: set[str]) -> dict[str, Any]:
        """Returns fields of AsyncEngineArgs. Raises StartError for one that vLLM does not have."""
        from vllm.platforms import current_platform

        given = self.settings.engine_args
        check_engine_args(given, allowed, self.title, "the fields of vllm.AsyncEngineArgs")
        values = engine_arguments(self.settings, self.model) | {
            "model": str(self.model.path),
            "served_model_name": self.model.served_name,
            "disable_log_stats": False,
        }
        if current_platform.is_cpu():
            values |= cpu_arguments(values) | self._cpu_executor()
        return values | given

    def _cpu_executor(self) -> dict[str, Any]:
        if self.settings.tensor_parallel_size > 1 or THREADS_BIND in os.environ:
            return {}
        from vllm.v1.executor.uniproc_executor import UniProcExecutor

        # vLLM's choice on a CPU is a worker process, for which EngineCore waits in a spin
        # that takes the HTTP process's core: 50 streams then take up to 8 times as long.
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
        return {"distributed_executor_backend": UniProcExecutor}

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        from vllm.inputs import tokens_input

        top_logprobs = request.sampling.logprobs
        try:
            outputs = self._llm.generate(
                tokens_input(list(request.prompt_ids)),
                sampling_params(request.sampling),
                request.request_id,
            )
            async with contextlib.aclosing(outputs):
                async for output in outputs:
                    yield chunk(output, top_logprobs)
        except ServiceError:
            raise
        except Exception as error:
            raise service_error(error) from error

    async def health(self) -> Health:
        if self._llm is None or self._llm.errored:
            return Health(False, "vLLM's EngineCore process has died")
        samples = [sample.value for gauge in KV_CACHE_USAGE.collect() for sample in gauge.samples]
        return Health(True, kv_cache_usage=max(samples, default=None))

    async def _shut_down(self) -> None:
        if self._llm is not None:
            # It would warn of every child that it kills.
            logging.getLogger("vllm").setLevel(logging.ERROR)
            self._llm.shutdown(timeout=0)
            self._llm = None


def _asked_to_end(process: psutil.Process) -> bool:
    """Returns whether a SIGTERM waits behind the block. Known on Linux only."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return False
    pending = int(status.partition("ShdPnd:")[2].split()[0], 16)
    return bool(pending >> (signal.SIGTERM - 1) & 1)


VLLM = llm_service(VLLMEngine, name="VLLM")
