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
from common.engine_args import check_engine_args
from common.errors import EngineDead, InvalidValue, ServiceError, StartError
from common.messages import one_line
from common.models.model import Model
from common.processes.in_process_engine import InProcessEngine
from common.sampling import Sampling
from common.service.bento_service import llm_service
from common.settings import Settings
from services._compiled.tensorrt_engine import (
    EngineConfig,
    check_gpu,
    check_model,
    check_settings,
    open_engine,
)
from services._tensorrt_llm.arguments import (
    GUIDED_DECODING,
    TRTLLM_SAMPLER,
    guided_decoding,
    llm_arguments,
    sampler,
)
from services._tensorrt_llm.request import (
    CPP_SAMPLER_GAPS,
    NO_GRAMMAR,
    ONE_END_ONLY,
    TORCH_SAMPLER_GAPS,
    Dialect,
    check_schema,
    chunk,
    failure,
    sampling_params,
)
from services._tensorrt_llm.watch import DeathWatcher, ranks

COMPILED_IN = ("dtype", "kv_cache_dtype")


class TensorRTLLMEngine(InProcessEngine):
    """Token ids in and out; its tokenizer serves structured output only."""

    name = "tensorrt_llm"
    title = "TensorRT-LLM"
    release = "1.2.1"
    interface = "`LLM` in process, with PyTorch or a compiled engine"
    tested = Tested(contract="the classes of 1.2.1, the source code of 1.2")
    package = "tensorrt_llm"
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
    unsupported_settings = {
        "engine_url": IN_PROCESS["engine_url"],
        "start_timeout": IN_PROCESS["start_timeout"],
    }

    _llm: Any = None
    _watcher: DeathWatcher | None = None
    _compiled: EngineConfig | None = None

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
        if settings.engine_dir is None:
            return
        for name in COMPILED_IN:
            if getattr(settings, name) not in (None, "auto"):
                raise StartError(
                    f"setting {name!r}: it was fixed when the engine in 'engine_dir' was compiled; "
                    "allowed is 'auto'"
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
            llm_class = self._llm_class()
            arguments = llm_arguments(self.settings, self.model, self._compiled)
            self._check_stopping()
            self._llm = llm_class(**arguments)
        except StartError:
            raise
        except ImportError as error:
            raise StartError(
                f"TensorRT-LLM cannot be imported: {one_line(error)}; it needs OpenMPI and "
                "CUDA 13, as nvcr.io/nvidia/tensorrt-llm/release has them"
            ) from error
        except Exception as error:
            reason = "; ".join(map(one_line, filter(None, (error, error.__cause__))))
            raise StartError(f"TensorRT-LLM cannot start: {reason}") from error

    async def _after_load(self) -> None:
        self._watcher = DeathWatcher(self._llm, ranks(self._child_processes()))

    def _llm_class(self) -> Any:
        """Returns one of TensorRT-LLM's two. Raises StartError for engine arguments it lacks."""
        from tensorrt_llm.llmapi import TorchLlmArgs, TrtLlmArgs

        if self._compiled is None:
            from tensorrt_llm import LLM

            self._check_args(TorchLlmArgs)
        else:
            from tensorrt_llm._tensorrt_engine import LLM

            self._check_args(TrtLlmArgs)
        return LLM

    def _check_args(self, kind: Any) -> None:
        source = f"the fields of tensorrt_llm.llmapi.{kind.__name__}"
        check_engine_args(self.settings.engine_args, kind.model_fields, self.title, source)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        sampling, watcher = request.sampling, self._watcher
        if watcher is None:
            raise EngineDead("TensorRT-LLM is not running")
        watcher.check()
        if sampling.json_schema is not None:
            await asyncio.to_thread(check_schema, sampling.json_schema)
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
                list(request.prompt_ids), sampling_params=params, streaming=True
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


def _shutdown(llm: Any) -> None:
    with contextlib.suppress(Exception):
        llm.shutdown()


TensorRTLLM = llm_service(TensorRTLLMEngine, name="TensorRTLLM")
