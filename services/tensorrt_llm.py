"""TensorRT-LLM in process: its LLM on PyTorch, or on a compiled engine; the model in processes of
its own, which MPI starts.

Of the run-time tuning that such a service usually gets, chunked context is on; several
detokenizing workers have nothing to do, for ids come out and shared code makes text of them.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from functools import cached_property
from random import Random
from typing import Any

from common.engine import IN_PROCESS, Chunk, Engine, GenerateRequest, Health, Phase, Tested
from common.engine_args import check_engine_args
from common.errors import EngineDead, InvalidValue, ServiceError, StartError
from common.models.model import Model
from common.processes.descendants import Children
from common.processes.signals import stop_signals_blocked
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
    NO_GRAMMAR,
    OF_CPP_SAMPLER,
    OF_TORCH_SAMPLER,
    ONE_END_ONLY,
    Dialect,
    check_schema,
    chunk,
    failure,
    one_line,
    sampling_params,
)
from services._tensorrt_llm.watch import Watch, ranks

WARM_UP = Sampling(
    max_tokens=2,
    temperature=0.9,
    top_p=0.9,
    top_k=8,
    min_p=0.01,
    repetition_penalty=1.1,
    presence_penalty=0.1,
    seed=0,
)
"""Takes the paths that allocate something when they are first used."""
COMPILED_IN = ("dtype", "kv_cache_dtype")
STOP_TIMEOUT = 5.0
"""Seconds for its processes to end by themselves; then they are killed."""


class TensorRTLLMEngine(Engine):
    """Token ids in and out; its tokenizer serves structured output only."""

    name = "tensorrt_llm"
    title = "TensorRT-LLM"
    release = "1.2.1"
    interface = "`LLM` in process: PyTorch, or a compiled engine"
    tested = Tested(contract="1.2.1's classes, 1.2's sources")
    package = "tensorrt_llm"
    unsupported = OF_CPP_SAMPLER
    unsupported_settings = {
        "engine_url": IN_PROCESS["engine_url"],
        "start_timeout": IN_PROCESS["start_timeout"],
    }

    _llm: Any = None
    _watch: Watch | None = None
    _loading: asyncio.Future[None] | None = None
    _stopped = False
    _compiled: EngineConfig | None = None
    _children: Children | None = None

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
        gaps = dict(OF_CPP_SAMPLER if self._dialect.cpp else OF_TORCH_SAMPLER)
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

    async def start(self, report: Callable[[Phase], None]) -> None:
        report("load")
        if self.settings.engine_dir is not None:
            self._compiled = compiled = open_engine(self.settings)
            check_model(compiled, self.model)
            self._dialect = replace(self._dialect, vocab_size=compiled.vocab_size_padded)
        self._children = children = Children()
        self._loading = asyncio.ensure_future(asyncio.to_thread(self._load))
        await asyncio.shield(self._loading)
        self._watch = Watch(self._llm, ranks(children.now()))
        report("warm-up")
        async for _ in self.generate(GenerateRequest("warm-up", (0,), WARM_UP)):
            pass

    def _load(self) -> None:
        """Import TensorRT-LLM and construct it: it blocks for minutes, so in a thread."""
        try:
            llm_class = self._llm_class()
            arguments = llm_arguments(self.settings, self.model, self._compiled)
            if self._stopped:
                raise StartError("stopped while loading")
            with stop_signals_blocked():
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

    def _llm_class(self) -> Any:
        """Raises StartError for engine arguments that it does not have."""
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
        sampling, watch = request.sampling, self._watch
        if watch is None:
            raise EngineDead("TensorRT-LLM is not running")
        watch.check()
        if sampling.json_schema is not None:
            await asyncio.to_thread(check_schema, sampling.json_schema)
        params = sampling_params(sampling, len(request.prompt_ids), self._dialect)
        has_cached_tokens = self._compiled is None
        result = self._submit(request, params)
        try:
            while not result.finished:
                await watch.next(result)
                piece = chunk(result, params, has_cached_tokens=has_cached_tokens)
                if piece.token_ids or piece.finish_reason:
                    yield piece
        except EngineDead:
            raise
        except Exception as error:
            # When it shuts down in the middle, it cancels what runs.
            watch.check()
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
            assert self._watch is not None
            self._watch.check()
            raise failure(error) from error

    async def health(self) -> Health:
        reason = "TensorRT-LLM is not running" if self._watch is None else self._watch.look()
        return Health(reason is None, reason or "")

    async def stop(self) -> None:
        """Ask it to end its processes, then kill them: nothing in them needs saving."""
        self._stopped = True
        if self._watch is not None:
            self._watch.close()
        if self._children is None:
            return
        deadline = time.monotonic() + STOP_TIMEOUT
        while self._loading and not self._loading.done() and time.monotonic() < deadline:
            self._children.kill()
            await asyncio.wait([self._loading], timeout=0.1)
        self._children.now()
        llm, self._llm = self._llm, None
        if llm is not None:
            # In a thread that nobody waits for: it waits for its processes without limit.
            thread = threading.Thread(target=_shutdown, args=(llm,), daemon=True)
            thread.start()
            await asyncio.to_thread(thread.join, STOP_TIMEOUT)
        self._children.kill()
        deadline = time.monotonic() + STOP_TIMEOUT
        await asyncio.to_thread(self._children.wait_until_gone, deadline)


def _shutdown(llm: Any) -> None:
    with contextlib.suppress(Exception):
        llm.shutdown()


TensorRTLLM = llm_service(TensorRTLLMEngine, name="TensorRTLLM")
