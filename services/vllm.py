"""vLLM in process: AsyncLLM on the service's event loop, its EngineCore in child processes."""

import contextlib
import dataclasses
import logging
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import psutil
from prometheus_client import REGISTRY

from common.engine import IN_PROCESS, Chunk, EmbedRequest, GenerateRequest, Health, Tested
from common.engine_args import check_engine_args
from common.errors import InvalidValue, ServiceError, StartError
from common.machine import Need
from common.messages import one_line
from common.models.adapters import Adapter
from common.models.model import Model
from common.processes.descendants import kill
from common.processes.exits import exit_words
from common.processes.in_process_engine import InProcessEngine
from common.sampling import Limits
from common.service.bento_service import llm_service
from common.settings import Settings
from services._vllm.arguments import (
    ENVIRONMENT,
    RESERVED,
    check_arguments,
    cpu_arguments,
    engine_arguments,
    grammar_gaps,
    speculative_gaps,
    with_given,
)
from services._vllm.causes import recorded_causes
from services._vllm.request import (
    CORE_DIED,
    LIMITS,
    chunk,
    engine_input,
    lora_request,
    sampling_params,
    service_error,
    warm_up,
)
from services._xgrammar.schemas import xgrammar_0_2

THREADS_BIND = "VLLM_CPU_OMP_THREADS_BIND"
NO_PRIORITY = "vLLM needs the engine argument scheduling_policy=priority for it"
KV_CACHE_USAGE = REGISTRY.restricted_registry(["vllm:kv_cache_usage_perc"])
FOUR_BITS, FOUR_BITS_KERNEL = ("awq", "gptq", "w4a16"), "cpu_gemm_wna16"
ADAPTER_PER_ANSWER = (
    "where there are adapters, vLLM knows one for the next token of each answer only, and ends "
    "when it needs one for each token of a prompt"
)
"""Seen with vLLM 0.32.0 on a CPU: lora/punica_wrapper/punica_cpu.py, add_lora_logits."""


class VLLMEngine(InProcessEngine):
    """Token ids in and out; vLLM's own tokenizer serves structured output only."""

    name = "vllm"
    title = "vLLM"
    release = "0.33.0"
    interface = "`AsyncLLM` in process"
    tested = Tested(contract="the source code of 0.33.0, by hand")
    package = "vllm"
    needs = (Need.DRIVER, Need.C_COMPILER, Need.SHARED_MEMORY)
    schemas = xgrammar_0_2("vLLM")
    reasons_before_forms = True
    no_embeddings = None
    unsupported_settings = IN_PROCESS
    environment = {
        **ENVIRONMENT,
        # A forked child would inherit this process's held locks and the service's listening socket.
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        # It would warn of what the killed children left, while it cleans that up.
        "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
    }

    optional = (
        "regex",
        "grammar",
        "allowed_token_ids",
        "bad_words",
        "cache_salt",
        "priority",
        "prompt_logprobs",
        "images",
    )

    _llm: Any = None

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings, model)
        self.warm_up = warm_up(settings)

    @classmethod
    def check(cls, settings: Settings) -> None:
        super().check(settings)
        check_arguments(settings)

    def limits(self) -> Limits:
        return LIMITS

    def gaps(self) -> Mapping[str, str]:
        engine_args = self.settings.engine_args
        gaps = {**grammar_gaps(engine_args), **speculative_gaps(self.settings)}
        if engine_args.get("scheduling_policy") != "priority":
            gaps["priority"] = NO_PRIORITY
        if self.settings.adapter_slots:
            gaps["prompt_logprobs"] = ADAPTER_PER_ANSWER
        return gaps

    @property
    def version(self) -> str:
        import vllm

        return str(vllm.__version__)

    def _while_loading(self) -> None:
        """Kill workers for which an EngineCore that fails waits without limit."""
        kill(filter(_asked_to_end, self._child_processes()))

    def _load(self) -> None:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.envs import enable_envs_cache
        from vllm.v1.engine.async_llm import AsyncLLM

        values = self._engine_args({field.name for field in dataclasses.fields(AsyncEngineArgs)})
        with recorded_causes() as causes:
            try:
                config = AsyncEngineArgs(**values).create_engine_config()
            except Exception as error:
                raise StartError(f"vLLM refuses its arguments: {one_line(error)}") from error
            self._check_stopping()
            try:
                self._llm = AsyncLLM.from_vllm_config(config)
            except Exception as error:
                reason = causes.first() or one_line(error)
                raise StartError(f"vLLM cannot load the model: {reason}") from error
        # Per token it reads variables, here as in its EngineCore, where it caches them by itself.
        enable_envs_cache()

    def _engine_args(self, allowed: set[str]) -> dict[str, Any]:
        """Returns fields of AsyncEngineArgs. Raises StartError for one that vLLM does not have."""
        given = self.settings.engine_args
        source = "the fields of vllm.AsyncEngineArgs"
        check_engine_args(given, allowed, self.title, source, RESERVED)
        values = engine_arguments(self.settings, self.model) | {
            "model": str(self.model.path),
            "served_model_name": self.model.served_name,
            "disable_log_stats": False,
        }
        if "vision_config" in self.model.config.values:
            values["limit_mm_per_prompt"] = {"image": self.settings.max_images}
        if self._on_cpu():
            self._check_cpu_kernels()
            values |= cpu_arguments(values) | self._cpu_executor()
        return with_given(values, given)

    @staticmethod
    def _on_cpu() -> bool:
        from vllm.platforms import current_platform

        return bool(current_platform.is_cpu())

    def _check_cpu_kernels(self) -> None:
        """Raises StartError for weights of 4 bits where vLLM's build for this CPU cannot multiply
        them: its first request would end EngineCore (seen with 0.32 on an AMD EPYC with AVX2)."""
        import torch
        from vllm.platforms import current_platform

        current_platform.import_kernels()
        if self.quantization in FOUR_BITS and not hasattr(torch.ops._C, FOUR_BITS_KERNEL):
            raise StartError(
                f"vLLM cannot serve weights of the scheme {self.quantization!r} on this CPU: "
                "its kernel for 4 bits needs AVX-512; serve the plain model, or use another machine"
            )

    def _cpu_executor(self) -> dict[str, Any]:
        if THREADS_BIND in os.environ:
            return {}
        processes = self.settings.gpus
        threads = max(1, ((os.cpu_count() or 2) - 1) // processes)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        if processes > self.settings.data_parallel_size:
            # Bound to processors, each part of a model would need a NUMA node.
            os.environ[THREADS_BIND] = "nobind"
            return {}
        from vllm.v1.executor.uniproc_executor import UniProcExecutor

        # vLLM's choice on a CPU is a worker process, for which EngineCore waits in a spin
        # that takes the HTTP process's core: 50 streams then take up to 8 times as long.
        return {"distributed_executor_backend": UniProcExecutor}

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        try:
            outputs = self._llm.generate(
                await engine_input(self._llm, request),
                sampling_params(request.sampling),
                request.request_id,
                lora_request=lora_request(request.adapter),
                priority=request.sampling.priority,
            )
            async with contextlib.aclosing(outputs):
                async for output in outputs:
                    yield chunk(output, request.sampling)
        except ServiceError:
            raise
        except Exception as error:
            raise service_error(error, self._why_dead()) from error

    async def embed(self, request: EmbedRequest) -> list[float]:
        from vllm import PoolingParams
        from vllm.inputs import tokens_input

        vector: list[float] = []
        try:
            outputs = self._llm.encode(
                tokens_input(list(request.token_ids)),
                PoolingParams(task="embed", use_activation=False),
                request.request_id,
            )
            async with contextlib.aclosing(outputs):
                async for output in outputs:
                    vector = output.outputs.data.float().tolist()
        except ServiceError:
            raise
        except Exception as error:
            raise service_error(error, self._why_dead()) from error
        return vector

    async def _after_load(self) -> None:
        if self.settings.pipeline_parallel_size > 1 and self._on_cpu():
            await self._llm.collective_rpc("receive_from_stage_before")
        for adapter in self.model.adapters:
            try:
                await self.load_adapter(adapter)
            except InvalidValue as error:
                raise StartError(f"setting 'adapters': {error.message}") from error

    async def load_adapter(self, adapter: Adapter) -> None:
        try:
            await self._llm.add_lora(lora_request(adapter))
        except Exception as error:
            raise InvalidValue(
                f"vLLM refuses {adapter.name!r}: {one_line(error)}", param="lora_path"
            ) from error

    async def unload_adapter(self, adapter: Adapter) -> None:
        await self._llm.remove_lora(adapter.number)

    async def health(self) -> Health:
        if self._llm is None or self._llm.errored:
            return Health(False, self._why_dead())
        samples = [sample.value for gauge in KV_CACHE_USAGE.collect() for sample in gauge.samples]
        return Health(True, kv_cache_usage=max(samples, default=None))

    def _why_dead(self) -> str:
        """Returns how the first EngineCore to die ended, as far as vLLM knows."""
        manager = None if self._llm is None else self._llm.engine_core.resources.engine_manager
        failed = None if manager is None else manager.failed_proc_name
        if manager is None or failed is None:
            return CORE_DIED
        code = getattr(manager, "finished_procs", dict)().get(failed)
        return f"{CORE_DIED}: {failed}" + ("" if code is None else f", {exit_words(code)}")

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
