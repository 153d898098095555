"""SGLang in process: its Engine on the service's event loop, scheduler and model in children."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from common.engine import IN_PROCESS, Chunk, GenerateRequest, Health
from common.errors import EngineDead, InvalidValue, ServiceError, StartError
from common.machine import Need
from common.messages import one_line
from common.models.adapters import Adapter
from common.models.model import Model
from common.processes.exits import exit_of
from common.processes.in_process_engine import InProcessEngine
from common.sampling import Sampling
from common.service.bento_service import llm_service
from common.settings import Settings
from services._sglang.arguments import deterministic, engine_arguments
from services._sglang.processes import (
    ExitWatcher,
    detach,
    fail_requests,
    load_engine,
    take_requests,
    uses_cpu,
)
from services._sglang.request import (
    chunk,
    own_end_ids,
    prompt_logprobs,
    request_ids,
    sampling_params,
    service_error,
)
from services._xgrammar.schemas import OTHER_COMPILER, xgrammar_0_2

DIED = "a process of SGLang has died"
NO_SEED = "SGLang heeds no seed unless engine_args has enable_deterministic_inference"
NO_REPETITION = "SGLang looks at generated tokens only, not at the prompt's"
NO_PENALTIES = "with drafted tokens SGLang counts only the last one of each step"
NO_MIN_P = "SGLang's scheduler dies of it under enable_deterministic_inference"
NO_GRAMMAR = "engine_args has grammar_backend none"
NO_ADAPTERS_ON_CPU = "on a CPU SGLang has none: its LoRA layers ask for memory pinned for a GPU"
ONE_SCALE = "SGLang scales every layer by lora_alpha / r"


class SGLangEngine(InProcessEngine):
    """Token ids in and out; SGLang's own text is not used."""

    name = "sglang"
    title = "SGLang"
    release = "0.5.23"
    interface = "`Engine` in process"
    package = "sglang"
    needs = (Need.DRIVER, Need.C_COMPILER, Need.CUDA_TOOLKIT, Need.SHARED_MEMORY)
    environment = {
        # Log-probabilities before the temperature is applied, as for a greedy request.
        "SGLANG_RETURN_ORIGINAL_LOGPROB": "1",
        # It is asked for a few tokens more than the model's own, which are never used.
        "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN": "1",
        # It would warn of what the killed children left, while it cleans that up.
        "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
    }
    schemas = xgrammar_0_2("SGLang")
    optional = ("regex", "grammar", "cache_salt", "prompt_logprobs")
    reasons_before_forms = True
    unsupported = {"seed": NO_SEED, "repetition_penalty": NO_REPETITION}
    no_embeddings = "SGLang pools by the class of the model, whatever the model's own files say"
    adapter_gaps = dict.fromkeys(("use_rslora", "rank_pattern", "alpha_pattern"), ONE_SCALE)
    unsupported_settings = {
        **IN_PROCESS,
        "kv_cache_gib": "SGLang has gpu_memory_utilization, and max_total_tokens in engine_args",
    }

    _engine: Any = None
    _watcher: ExitWatcher | None = None
    _dead: str | None = None

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings, model)
        self._seeded = deterministic(settings)
        min_p = 0.0 if self._seeded else 0.01
        penalty = 0.1 if settings.speculative is None else 0.0
        self.warm_up = Sampling(
            2, top_p=0.9, top_k=8, min_p=min_p, presence_penalty=penalty, logprobs=1
        )
        self._request_ids = request_ids()
        self._seeds = random.Random(settings.seed)  # noqa: S311
        self._own_ends: frozenset[int] = frozenset()

    @property
    def version(self) -> str:
        from sglang.version import __version__

        return str(__version__)

    def gaps(self) -> Mapping[str, str]:
        gaps = {"min_p": NO_MIN_P} if self._seeded else {"seed": NO_SEED}
        gaps["repetition_penalty"] = NO_REPETITION
        if self.settings.speculative is not None:
            gaps |= dict.fromkeys(("presence_penalty", "frequency_penalty"), NO_PENALTIES)
        compiler = self.settings.engine_args.get("grammar_backend", "xgrammar")
        if compiler != "xgrammar":
            reason = NO_GRAMMAR if compiler == "none" else OTHER_COMPILER
            gaps |= dict.fromkeys(("response_format", "regex", "grammar"), reason)
        return gaps

    async def _load_in_thread(self) -> None:
        # A child that fails sends it to this process, which would end without a handler.
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, self._on_failure)
        await super()._load_in_thread()

    def _load(self) -> None:
        try:
            on_cpu = uses_cpu()
            from sglang.srt.server_args import ServerArgs
        except Exception as error:
            raise StartError(f"SGLang cannot be imported: {one_line(error)}") from error
        if on_cpu and self.settings.adapter_slots:
            raise StartError(f"setting 'adapters': {NO_ADAPTERS_ON_CPU}; allowed is none")
        arguments = engine_arguments(
            self.settings, self.model, ServerArgs.__struct_fields__, on_cpu=on_cpu
        )
        self._check_stopping()
        self._engine = load_engine(arguments, self._kill_children)
        manager = self._engine.tokenizer_manager
        self._own_ends = own_end_ids(manager)
        if manager.max_req_input_len < self.model.max_model_len:
            raise StartError(
                f"setting 'max_model_len': {self.model.max_model_len} tokens do not fit into "
                f"SGLang's KV cache; allowed is at most {manager.max_req_input_len}, "
                "or raise gpu_memory_utilization"
            )

    async def _after_load(self) -> None:
        take_requests(self._engine.tokenizer_manager, self._on_receiver_end)
        self._watcher = ExitWatcher(self._engine.get_all_child_pids(), self._on_failure)
        for adapter in self.model.adapters:
            try:
                await self.load_adapter(adapter)
            except InvalidValue as error:
                raise StartError(f"setting 'adapters': {error.message}") from error

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        if self._dead is not None:
            raise EngineDead(self._dead)
        sampling = request.sampling
        top_logprobs, of_prompt = sampling.logprobs, sampling.prompt_logprobs
        seed = self._seeds.getrandbits(63) if self._seeded else None
        params = sampling_params(sampling, self._own_ends, seed)
        # SGLang ignores all of the ends or none; ending here, early, aborts the rest.
        ignored = sampling.end_token_ids if params["ignore_eos"] else frozenset()
        try:
            outputs = await self._engine.async_generate(
                input_ids=list(request.prompt_ids),
                sampling_params=params,
                return_logprob=top_logprobs is not None or of_prompt is not None,
                logprob_start_len=-1 if of_prompt is None else 0,
                top_logprobs_num=max(top_logprobs or 0, of_prompt or 0),
                stream=True,
                rid=next(self._request_ids) + request.request_id,
                cache_salt=sampling.cache_salt,
                lora_path=None if request.adapter is None else request.adapter.key,
            )
            async with contextlib.aclosing(outputs):
                async for output in outputs:
                    result = chunk(output, top_logprobs, ignored, sampling.form_field)
                    if of_prompt is not None:
                        entries = prompt_logprobs(output["meta_info"], of_prompt)
                        result = result._replace(prompt_logprobs=entries)
                        of_prompt = None
                    yield result
                    if result.finish_reason is not None:
                        return
        except Exception as error:
            if self._dead is not None:
                raise EngineDead(self._dead) from error
            if isinstance(error, ServiceError):
                raise
            raise service_error(error) from error

    async def load_adapter(self, adapter: Adapter) -> None:
        """SGLang keeps each in its prefix cache by an id of its own."""
        loaded = await self._engine.async_load_lora_adapter(adapter.key, str(adapter.path))
        if not loaded.success:
            raise InvalidValue(
                f"SGLang refuses {adapter.name!r}: {one_line(loaded.error_message)}",
                param="lora_path",
            )

    async def unload_adapter(self, adapter: Adapter) -> None:
        await self._engine.async_unload_lora_adapter(adapter.key)

    def _on_failure(self, pid: int | None = None) -> None:
        """The child `pid` has died, or one has sent SIGQUIT because it cannot go on."""
        if self._stopping:
            return
        if self._engine is None or self._watcher is None:
            # By their end the thread that loads learns of it.
            self._kill_children()
        else:
            self._die(DIED + ("" if pid is None else exit_of(pid)))

    def _on_receiver_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self._stopping:
            self._die(f"SGLang's answers cannot be received: {task.exception()!r}")

    def _die(self, reason: str) -> None:
        if self._dead is None:
            self._dead = reason
            fail_requests(self._engine.tokenizer_manager, reason)

    async def health(self) -> Health:
        if self._dead is not None or self._engine is None:
            return Health(False, self._dead or "SGLang has not been started")
        loads = self._engine.tokenizer_manager.load_snapshot_reader.read_all()
        usage = max((load.token_usage for load in loads), default=None)
        return Health(True, kv_cache_usage=usage)

    async def _shut_down(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
        try:
            if self._engine is not None:
                await detach(self._engine.tokenizer_manager)
        finally:
            self._engine = None


SGLang = llm_service(SGLangEngine, name="SGLang")
