"""LMDeploy in process: AsyncEngine on the service's event loop, TurboMind or the PyTorch engine."""

import asyncio
import contextlib
import logging
import multiprocessing
import random
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from typing import Any

from common.engine import (
    IN_PROCESS,
    LOADING_SETTINGS,
    Chunk,
    GenerateRequest,
    Health,
    Tested,
    TokenLogprob,
)
from common.errors import StartError
from common.machine import Need
from common.models.model import Model
from common.processes.in_process_engine import InProcessEngine
from common.sampling import Limits, Sampling
from common.service.bento_service import llm_service
from common.settings import Settings
from services._lmdeploy.config import (
    backend_of,
    check_settings,
    engine_config,
    one_line,
    speculative_config,
)
from services._lmdeploy.request import (
    TURBOMIND_LIMITS,
    chunk,
    generation_config,
    prompt_logprobs,
    scoring_config,
)
from services._lmdeploy.room import check_fitting, check_room
from services._lmdeploy.streams import Streams
from services._xgrammar.schemas import xgrammar_0_2

CLOSE_TIMEOUT = 3.0
NO_LIMIT = 2**31
NO_PENALTIES = {
    "presence_penalty": "LMDeploy has no such penalty",
    "frequency_penalty": "LMDeploy has no such penalty",
}
FILTERED = (
    "TurboMind tells probabilities after temperature, top_k and top_p have changed them; "
    "the engine_args backend 'pytorch' gives the model's own"
)
NO_SCORES = "TurboMind tells none of a prompt; the engine_args backend 'pytorch' does"
DRAFTS = "with drafted tokens LMDeploy tells none of a prompt"
NOT_ALONE = (
    "one request for those of a prompt ends LMDeploy 0.18's PyTorch engine where another answer is "
    "generated meanwhile; max_concurrency 1 allows them"
)
GAPS: Mapping[str, Mapping[str, str]] = {
    "turbomind": {
        **NO_PENALTIES,
        "logit_bias": "TurboMind has none; the engine_args backend 'pytorch' does",
        "logprobs": FILTERED,
        "top_logprobs": FILTERED,
        "prompt_logprobs": NO_SCORES,
    },
    "pytorch": {
        **NO_PENALTIES,
        "repetition_penalty": (
            "LMDeploy's PyTorch engine leaves the prompt out, and in a batch it penalizes its "
            "padding; the engine_args backend 'turbomind' does not"
        ),
    },
}


ONE_SCALE = "LMDeploy scales every layer by lora_alpha / r"


class LMDeployEngine(InProcessEngine):
    """Token ids in and out; LMDeploy's own chat template and text are unused."""

    name = "lmdeploy"
    title = "LMDeploy"
    release = "0.18.0"
    interface = "`serve.core.AsyncEngine` in process"
    tested = Tested(
        cpu="0.18.0's PyTorch engine with its CUDA kernels written in PyTorch, in every test run",
        contract="0.18.0's own Python code, with a stand-in for TurboMind",
    )
    package = "lmdeploy"
    needs = (Need.DRIVER, Need.SHARED_MEMORY)
    environment = {"TM_LOG_LEVEL": "WARNING"}
    warm_up = Sampling(max_tokens=2, top_p=0.9, top_k=8, min_p=0.01, seed=0)
    unsupported = GAPS["turbomind"]
    optional = ("prompt_logprobs",)
    schemas = xgrammar_0_2("LMDeploy")
    reasons_before_forms = True
    no_embeddings = "LMDeploy has no interface that returns pooled vectors"
    adapter_gaps = dict.fromkeys(("use_rslora", "rank_pattern", "alpha_pattern"), ONE_SCALE)
    unsupported_settings = {
        **IN_PROCESS,
        **dict.fromkeys(LOADING_SETTINGS, "it loads adapters together with the model only"),
        "chunked_prefill": (
            "it always splits long prefills; engine_args max_prefill_token_num says from where on"
        ),
        "kv_cache_gib": "it takes a share of the free GPU memory, gpu_memory_utilization",
        "kv_offload": "its cache stays on the GPUs, but for a kv_transfer_config in engine_args",
        "pipeline_parallel_size": "it splits every layer between its GPUs",
        "speculative=draft": "it drafts with EAGLE's heads or the model's own, not another model",
        "speculative=ngram": "it drafts with EAGLE's heads or the model's own, not from n-grams",
    }

    _llm: Any = None
    _streams: Streams | None = None

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings, model)
        self._seeds = random.Random(settings.seed)  # noqa: S311
        self._backend = backend_of(settings)
        self._vocab_size = model.vocab_size or NO_LIMIT

    @classmethod
    def check(cls, settings: Settings) -> None:
        super().check(settings)
        check_settings(settings)

    @classmethod
    def needed(cls, settings: Settings) -> Collection[Need]:
        return cls.needs if backend_of(settings) == "turbomind" else (*cls.needs, Need.C_COMPILER)

    def gaps(self) -> Mapping[str, str]:
        gaps = GAPS[self._backend]
        if self.settings.speculative is not None:
            return {**gaps, "prompt_logprobs": DRAFTS}
        if self.settings.max_concurrency > 1:
            return {"prompt_logprobs": NOT_ALONE, **gaps}
        return gaps

    def limits(self) -> Limits:
        return TURBOMIND_LIMITS if self._backend == "turbomind" else Limits()

    @property
    def version(self) -> str:
        import lmdeploy

        return str(lmdeploy.__version__)

    def _load(self) -> None:
        try:
            with log_levels_kept():
                from lmdeploy.serve.core import AsyncEngine
        except Exception as error:
            raise StartError(f"LMDeploy cannot be imported: {one_line(error)}") from error
        logging.getLogger("lmdeploy").setLevel(logging.WARNING)
        config = engine_config(self.settings, self.model)
        if self._backend == "turbomind":
            check_room(config, self.model.load)
        drafts = speculative_config(self.settings, self.model)
        self._check_stopping()
        with last_errors() as errors:
            try:
                self._llm = AsyncEngine(
                    str(self.model.path),
                    model_name=self.model.served_name,
                    backend=self._backend,
                    backend_config=config,
                    trust_remote_code=self.settings.trust_remote_code,
                    speculative_config=drafts,
                )
            except Exception as error:
                raise StartError(f"LMDeploy cannot load the model: {one_line(error)}") from error
            except SystemExit as error:
                reason = "; ".join(errors) or "see above for what it said"
                raise StartError(f"LMDeploy cannot work here: {reason}") from error
        if self._backend == "pytorch":
            check_fitting(self._llm.engine.max_session_len, self.model.max_model_len)

    async def _after_load(self) -> None:
        self._llm.start_loop(asyncio.get_running_loop(), use_async_api=True)
        if self._llm.backend_config.enable_metrics:
            from lmdeploy.metrics.metrics_processor import metrics_processor

            metrics_processor.start_metrics_handler(enable_metrics=True)
        self._streams = Streams(self._llm)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        assert self._streams is not None
        scores = await self._scores(request)
        top_logprobs = request.sampling.logprobs
        config = generation_config(
            request.sampling, self._backend, self._vocab_size, self._seeds.getrandbits(63)
        )
        async with contextlib.aclosing(
            self._streams.outputs(request.prompt_ids, config, request.adapter)
        ) as outputs:
            async for output in outputs:
                if output.token_ids or output.finish_reason is not None:
                    yield chunk(output, top_logprobs)._replace(prompt_logprobs=scores)
                    scores = None

    async def _scores(self, request: GenerateRequest) -> list[TokenLogprob | None] | None:
        """Returns the log-probabilities of the prompt, None where they are not asked for."""
        top_logprobs, prompt_ids = request.sampling.prompt_logprobs, request.prompt_ids
        if top_logprobs is None:
            return None
        if len(prompt_ids) == 1:
            return [None]
        assert self._streams is not None
        async with contextlib.aclosing(
            self._streams.outputs(prompt_ids, scoring_config(top_logprobs), request.adapter)
        ) as outputs:
            last = [output async for output in outputs][-1]
        return prompt_logprobs(prompt_ids, last, top_logprobs)

    async def health(self) -> Health:
        if self._streams is None or self._streams.dead:
            return Health(False, self._streams.dead if self._streams else "not started")
        try:
            metrics = await self._llm.get_schedule_metrics()
            await self._update_own_metrics(metrics)
        except Exception as error:
            reason = f"LMDeploy's metrics cannot be read: {one_line(error)}"
            return Health(True, reason, ready=False)
        return Health(True, kv_cache_usage=metrics.cache_usage)

    async def _update_own_metrics(self, schedule: Any) -> None:
        """LMDeploy's server does so every ten seconds."""
        if self._llm.backend_config.enable_metrics:
            from lmdeploy.metrics.metrics_processor import metrics_processor

            await metrics_processor.update_schedule_stats(schedule)

    async def _shut_down(self) -> None:
        if self._streams is not None:
            await self._streams.close()
        if self._llm is None:
            return
        from lmdeploy.metrics.metrics_processor import metrics_processor

        await metrics_processor.stop_metrics_handler()
        # They have SIGTERM blocked, and LMDeploy would wait long for them to heed it.
        for process in multiprocessing.active_children():
            process.kill()
        self._llm.close()
        end_of_loop = getattr(self._llm.engine, "wait_tasks", None)
        if end_of_loop is not None:
            ended = asyncio.gather(end_of_loop(), return_exceptions=True)
            await asyncio.wait_for(ended, CLOSE_TIMEOUT)
        self._llm = None


@contextlib.contextmanager
def log_levels_kept() -> Iterator[None]:
    """LMDeploy, where it is imported, lets the handlers of all logs show errors only."""
    levels = [(handler, handler.level) for handler in logging.root.handlers]
    try:
        yield
    finally:
        for handler, level in levels:
            handler.setLevel(level)


@contextlib.contextmanager
def last_errors() -> Iterator[list[str]]:
    """Collects what LMDeploy logs as errors: there it says why it exits."""
    errors: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            errors.append(" ".join(record.getMessage().split()))

    handler = Collector(logging.ERROR)
    log = logging.getLogger("lmdeploy")
    log.addHandler(handler)
    try:
        yield errors
    finally:
        log.removeHandler(handler)


LMDeploy = llm_service(LMDeployEngine, name="LMDeploy")
