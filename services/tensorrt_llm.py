"""TensorRT-LLM in process: its LLM on PyTorch, or on a compiled engine; the model in processes of
its own, which MPI starts.

Of the run-time tuning that such a service usually gets, chunked context is on; several
detokenizing workers have nothing to do, for ids come out and shared code makes text of them.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from functools import cached_property
from random import Random
from typing import Any

from common.engine import IN_PROCESS, Chunk, GenerateRequest, Health, Tested
from common.errors import EngineDead, InvalidValue, ServiceError, StartError
from common.machine import Need
from common.messages import one_line
from common.models.adapters import Adapter
from common.models.model import Model
from common.models.portable import stage
from common.processes.in_process_engine import InProcessEngine
from common.processes.scratch import Scratch
from common.sampling import Limits, Sampling
from common.service.bento_service import llm_service
from common.settings import Settings
from services._compiled.tensorrt_engine import (
    EngineConfig,
    check_gpu,
    check_model,
    check_settings,
    open_engine,
)
from services._tensorrt_llm.adapters import check_targets, lora_request
from services._tensorrt_llm.arguments import (
    GUIDED_DECODING,
    TRTLLM_SAMPLER,
    check_arguments,
    guided_decoding,
    llm_arguments,
    llm_class,
    sampler,
)
from services._tensorrt_llm.request import (
    CPP_SAMPLER_GAPS,
    LIMITS,
    NO_GRAMMAR,
    ONE_END_ONLY,
    TORCH_SAMPLER_GAPS,
    Dialect,
    chunk,
    failure,
    sampling_params,
)
from services._tensorrt_llm.watch import DeathWatcher, ranks
from services._xgrammar.forms import check_form
from services._xgrammar.schemas import xgrammar_0_1

COMPILED_IN = (
    "adapter_loading",
    "adapters",
    "dtype",
    "expert_parallel",
    "kv_cache_dtype",
    "pipeline_parallel_size",
    "speculative",
)

ONE_SCALE = "TensorRT-LLM scales every layer by the adapter's own r and lora_alpha"


class TensorRTLLMEngine(InProcessEngine):
    """Token ids in and out; its tokenizer serves structured output only."""

    name = "tensorrt_llm"
    title = "TensorRT-LLM"
    release = "1.2.1"
    interface = "`LLM` in process, with PyTorch or a compiled engine"
    tested = Tested(contract="the classes of 1.2.1, the source code of 1.2")
    package = "tensorrt_llm"
    needs = (Need.GPU, Need.DRIVER, Need.C_COMPILER, Need.SHARED_MEMORY)
    stop_timeout = 5.0
    warm_up = Sampling(
        max_tokens=2,
        temperature=0.9,
        top_p=0.9,
        top_k=8,
        min_p=0.01,
        repetition_penalty=1.1,
        presence_penalty=0.1,
        seed=0,
    )
    unsupported = CPP_SAMPLER_GAPS
    schemas = xgrammar_0_1("TensorRT-LLM")
    reasons_before_forms = True
    no_embeddings = "TensorRT-LLM generates only"
    adapter_gaps = dict.fromkeys(("rank_pattern", "alpha_pattern"), ONE_SCALE)
    unsupported_settings = {
        "engine_url": IN_PROCESS["engine_url"],
        "start_timeout": IN_PROCESS["start_timeout"],
        "data_parallel_size": (
            "one LLM is one copy of the model, whose attention engine_args enable_attention_dp "
            "splits by requests"
        ),
        "speculative=eagle": "its PyTorch engine has EAGLE-3 only: eagle3:MODEL:TOKENS",
    }

    _llm: Any = None
    _watcher: DeathWatcher | None = None
    _compiled: EngineConfig | None = None
    _scratch: Scratch | None = None

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings, model)
        vocab_size = model.vocab_size or 0
        cpp = sampler(settings) == TRTLLM_SAMPLER
        seeds = Random(settings.seed)  # noqa: S311
        self._dialect = Dialect(cpp, vocab_size, model.end_token_ids, seeds)

    @classmethod
    def check(cls, settings: Settings) -> None:
        super().check(settings)
        if sampler(settings) != TRTLLM_SAMPLER and "seed" in settings.changed:
            raise StartError(
                f"setting 'seed' has no effect with another sampler than {TRTLLM_SAMPLER}"
            )
        check_arguments(settings)
        if settings.engine_dir is None:
            return
        for name in COMPILED_IN:
            if name in settings.changed:
                default = Settings.model_fields[name].get_default(call_default_factory=True)
                raise StartError(
                    f"setting {name!r}: it was fixed when the engine in 'engine_dir' was compiled; "
                    f"allowed is {default!r}"
                )
        compiled = open_engine(settings)
        check_settings(compiled, settings)
        check_gpu(compiled)

    def gaps(self) -> Mapping[str, str]:
        gaps = dict(CPP_SAMPLER_GAPS if self._dialect.cpp else TORCH_SAMPLER_GAPS)
        if len(self.model.end_token_ids) > 1:
            gaps.setdefault("min_tokens", ONE_END_ONLY)
        if guided_decoding(self.settings) != GUIDED_DECODING:
            gaps["response_format"] = NO_GRAMMAR
        return gaps

    def limits(self) -> Limits:
        return LIMITS

    @property
    def version(self) -> str:
        import tensorrt_llm

        return str(tensorrt_llm.__version__)

    @cached_property
    def quantization(self) -> str:
        if self.settings.engine_dir is None:
            return self.model.quantization
        return open_engine(self.settings).quantization

    def _load(self) -> None:
        if self.settings.engine_dir is not None:
            self._compiled = compiled = open_engine(self.settings)
            check_model(compiled, self.model)
            self._dialect = replace(self._dialect, vocab_size=compiled.vocab_size_padded)
        try:
            llm = llm_class(self.settings)
            arguments = llm_arguments(self.settings, self._staged(), self._compiled)
            self._check_stopping()
            self._llm = llm(**arguments)
        except StartError:
            raise
        except Exception as error:
            reason = "; ".join(map(one_line, filter(None, (error, error.__cause__))))
            raise StartError(f"TensorRT-LLM cannot start: {reason}") from error

    def _staged(self) -> Model:
        """Returns the model as its transformers 4 reads it.

        On PyTorch it takes the config's number format, whatever its own argument says
        (tensorrt_llm/_torch/model_config.py of 1.2).
        """
        self._scratch = Scratch("llm-tensorrt-")
        folder = self._scratch.path / "model"
        return replace(self.model, path=stage(self.model.path, folder, self.model.load.dtype))

    async def _after_load(self) -> None:
        self._watcher = DeathWatcher(self._llm, ranks(self._child_processes()))
        for adapter in self.model.adapters:
            try:
                await self.load_adapter(adapter)
            except InvalidValue as error:
                raise StartError(f"setting 'adapters': {error.message}") from error

    async def load_adapter(self, adapter: Adapter) -> None:
        """Asks for one token, with which TensorRT-LLM reads the adapter."""
        check_targets(adapter)
        request = GenerateRequest(adapter.key, (0,), Sampling(max_tokens=1), adapter=adapter)
        try:
            async for _ in self.generate(request):
                pass
        except EngineDead:
            raise
        except ServiceError as error:
            raise InvalidValue(
                f"TensorRT-LLM refuses {adapter.name!r}: {error.message}", param="lora_path"
            ) from error

    async def unload_adapter(self, adapter: Adapter) -> None:
        """Leaves the adapter to TensorRT-LLM's cache of adapters, which drops the oldest one."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        sampling, watcher = request.sampling, self._watcher
        if watcher is None:
            raise EngineDead("TensorRT-LLM is not running")
        watcher.check()
        if sampling.constrained:
            await asyncio.to_thread(check_form, sampling)
        params = sampling_params(sampling, len(request.prompt_ids), self._dialect)
        has_cached_tokens = self._compiled is None
        result = self._submit(request, params)
        try:
            while not result.finished:
                await watcher.next(result)
                piece = chunk(result, params, has_cached_tokens=has_cached_tokens)
                if piece.token_ids or piece.finish_reason:
                    yield piece
        except EngineDead:
            raise
        except Exception as error:
            # When it shuts down in the middle, it cancels what runs.
            watcher.check()
            if isinstance(error, ServiceError):
                raise
            raise failure(error) from error
        finally:
            if not result.finished:
                # Its executor may be gone.
                with contextlib.suppress(Exception):
                    result.abort()

    def _submit(self, request: GenerateRequest, params: Any) -> Any:
        """Raises InvalidValue for what TensorRT-LLM refuses, EngineDead."""
        try:
            return self._llm.generate_async(
                list(request.prompt_ids),
                sampling_params=params,
                lora_request=lora_request(request.adapter),
                streaming=True,
            )
        except ValueError as error:
            raise InvalidValue(f"TensorRT-LLM refuses the request: {one_line(error)}") from error
        except Exception as error:
            assert self._watcher is not None
            self._watcher.check()
            raise failure(error) from error

    async def health(self) -> Health:
        reason = (
            "TensorRT-LLM is not running" if self._watcher is None else self._watcher.why_dead()
        )
        return Health(reason is None, reason or "")

    async def _shut_down(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
        llm, self._llm = self._llm, None
        if llm is not None:
            # In a thread that nobody waits for: it waits for its processes without limit.
            thread = threading.Thread(target=_shutdown, args=(llm,), daemon=True)
            thread.start()
            await asyncio.to_thread(thread.join, self.stop_timeout)
        if self._scratch is not None:
            self._scratch.remove()


def _shutdown(llm: Any) -> None:
    with contextlib.suppress(Exception):
        llm.shutdown()


TensorRTLLM = llm_service(TensorRTLLMEngine, name="TensorRTLLM")
