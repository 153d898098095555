"""MLC-LLM in process: AsyncMLCEngine, whose engine runs in a thread of its own."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from functools import cached_property
from typing import Any

from common.engine import ADAPTER_SETTINGS, IN_PROCESS, Chunk, GenerateRequest, Health, Tested
from common.engine_args import check_engine_args
from common.errors import StartError
from common.files import read_json
from common.machine import Need
from common.models.model import Model
from common.processes.in_process_engine import InProcessEngine
from common.sampling import Sampling
from common.service.bento_service import llm_service
from common.settings import Settings
from services._mlc.build import Build, check_build, check_model, open_build
from services._mlc.engine import OWN_ARGS, POLL, AsyncEngine, in_daemon_thread
from services._mlc.request import SCHEMAS

GRAMMAR_ENDS = frozenset(
    (
        "</s>",
        "<eos>",
        "<end_of_turn>",
        "<|end_of_text|>",
        "<|endoftext|>",
        "<|eot_id|>",
        "<｜end▁of▁sentence｜>",
    )
)
"""The end tokens that MLC-LLM's grammar knows, by name (cpp/grammar_matcher_preproc.h)."""
NO_GRAMMAR_END = (
    "after a JSON document MLC-LLM's grammar allows no token but one of "
    f"{' '.join(sorted(GRAMMAR_ENDS))}, and this model has none of them"
)
COMPILED_IN = {
    "pipeline_parallel_stages": "the models that are compiled here have one stage",
    "tensor_parallel_shards": "use the setting 'tensor_parallel_size'",
}
AT_CONVERSION = "it was fixed when the weights were converted"
WARM_UP_TIMEOUT = 120.0


class MLCEngine(InProcessEngine):
    """Token ids in and out; the model's own template and tokenizer are the service's."""

    name = "mlc"
    title = "MLC-LLM"
    release = "0.20.0.dev0"
    interface = "`AsyncMLCEngine` in process"
    tested = Tested(
        cpu="commit 79d603f0 built from source, by hand",
        contract="the source code of commit 79d603f0",
    )
    package = "mlc_llm"
    needs = (Need.SHARED_MEMORY,)
    environment = {
        # Compiling belongs to the build: here it would take minutes, unasked.
        "MLC_JIT_POLICY": "OFF",
        "MLC_DOWNLOAD_CACHE_POLICY": "OFF",
    }
    warm_up = Sampling(max_tokens=2, top_p=0.9, presence_penalty=0.1, seed=0)
    schemas = SCHEMAS
    unsupported = {
        "tool_choice": "its grammars are JSON documents, and a call is more than that",
        "top_k": "MLC-LLM samples by temperature and top_p only",
        "min_p": "MLC-LLM samples by temperature and top_p only",
        "repetition_penalty": "MLC-LLM looks at generated tokens only, not at the prompt's",
        "min_tokens": "MLC-LLM cannot keep an end token from being chosen",
        "logprobs": "MLC-LLM has those after temperature and top_p only: 0 where it is greedy",
        "top_logprobs": "MLC-LLM has those after temperature and top_p only: 0 where it is greedy",
    }
    no_embeddings = "MLC compiles a model to generate"
    unsupported_settings = {
        **{name: reason for name, reason in IN_PROCESS.items() if name != "engine_dir"},
        **dict.fromkeys(ADAPTER_SETTINGS, "MLC-LLM computes the weights that were compiled only"),
        "dtype": AT_CONVERSION,
        "kv_cache_dtype": "its cache has the number format that the weights were converted to",
        "data_parallel_size": "one MLC-LLM engine is one copy of the model; run several services",
        "expert_parallel": "MLC-LLM gives each GPU a part of every expert",
        "kv_offload": "MLC-LLM's KV cache stays on its GPUs",
        "pipeline_parallel_size": "its stages need a session between machines, not started here",
        "speculative": "a compiled draft comes by engine_args speculative_mode, additional_models",
        "kv_cache_gib": "it counts tokens; set max_total_sequence_length in engine_args",
        "seed": "only requests have seeds",
        "trust_remote_code": "it runs none of the model's code",
    }

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings, model)
        self._engine = AsyncEngine()

    @classmethod
    def check(cls, settings: Settings) -> None:
        super().check(settings)
        # Beside a compiled model MLC-LLM does not heed them.
        check_engine_args(
            settings.engine_args, settings.engine_args, cls.title, reserved=COMPILED_IN
        )
        check_build(open_build(settings), settings)

    def gaps(self) -> Mapping[str, str]:
        if self._tokens & GRAMMAR_ENDS:
            return self.unsupported
        return {**self.unsupported, "response_format": NO_GRAMMAR_END}

    @cached_property
    def _tokens(self) -> frozenset[str]:
        """Returns the names of the model's special tokens."""
        added = read_json(self.model.path / "tokenizer.json").get("added_tokens") or []
        return frozenset(str(token["content"]) for token in added)

    @property
    def version(self) -> str:
        import mlc_llm

        return str(mlc_llm.__version__)

    @cached_property
    def quantization(self) -> str:
        return open_build(self.settings).quantization

    async def _load_in_thread(self) -> None:
        """Watch over AsyncMLCEngine, which waits for ever for a thread that failed to load."""
        loading = in_daemon_thread(self._load_with_signals_blocked)
        while not (await asyncio.wait([loading], timeout=POLL))[0]:
            if reason := self._engine.threads.death():
                raise StartError(f"MLC-LLM cannot load the model: {reason}")
        loading.result()

    def _load(self) -> None:
        build = open_build(self.settings)
        check_model(build, self.model)
        self._engine.construct(self._own_args(build), self._engine_config(build))

    async def _after_load(self) -> None:
        self._engine.watch()
        self._check_length(self._engine.max_tokens)

    async def _warm_up(self) -> None:
        ids = 0
        try:
            async with asyncio.timeout(WARM_UP_TIMEOUT):
                async for chunk in self._engine.generate("warm-up", (0,), self.warm_up):
                    ids += len(chunk.token_ids)
        except TimeoutError:
            raise StartError(
                f"MLC-LLM gave no token within {WARM_UP_TIMEOUT:g} s of being asked for one"
            ) from None
        if ids != self.warm_up.max_tokens:
            raise StartError(f"this MLC-LLM cannot be used: it gave {ids} token ids for 2 tokens")

    def _own_args(self, build: Build) -> dict[str, Any]:
        given = self.settings.engine_args
        return {
            "model": str(build.path),
            "model_lib": str(build.library),
            "device": given.get("device", build.record.device or "auto"),
            "mode": given.get("mode", "server"),
        }

    def _engine_config(self, build: Build) -> dict[str, Any]:
        settings = self.settings
        sequences = settings.max_concurrency
        if build.max_batch_size is not None:
            sequences = min(sequences, build.max_batch_size)
        values: dict[str, Any] = {
            "gpu_memory_utilization": settings.gpu_memory_utilization,
            "max_num_sequence": sequences,
            "max_single_sequence_length": self.model.max_model_len,
            "tensor_parallel_shards": settings.tensor_parallel_size,
            "prefix_cache_mode": "radix" if settings.prefix_caching else "disable",
            "prefill_mode": "hybrid" if settings.chunked_prefill else "chunked",
            "verbose": False,
        }
        given = settings.engine_args.items()
        return values | {name: value for name, value in given if name not in OWN_ARGS}

    def _check_length(self, tokens: int) -> None:
        """Raises StartError: MLC-LLM would let a sequence that never fits wait for ever."""
        if tokens < self.model.max_model_len:
            raise StartError(
                f"setting 'max_model_len': {self.model.max_model_len} tokens, but MLC-LLM has room "
                f"for {tokens} in its KV cache; allowed is at most that, or more "
                "gpu_memory_utilization"
            )

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        chunks = self._engine.generate(request.request_id, request.prompt_ids, request.sampling)
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    async def health(self) -> Health:
        return Health(self._engine.dead is None, self._engine.dead or "")

    async def _shut_down(self) -> None:
        await self._engine.stop()


MLC = llm_service(MLCEngine, name="MLC")
