"""Triton Inference Server with TensorRT-LLM's C++ backend: a compiled engine, over gRPC.

Requests go to the model `tensorrt_llm`, not its ensembles: those tokenize by themselves, and decode
each response for itself. One stream per generation; cancelling the stream is what aborts it.
"""

import dataclasses
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import cached_property
from pathlib import Path

from common.engine import ADAPTER_SETTINGS, Chunk, Engine, GenerateRequest, Health, Phase, Tested
from common.errors import StartError
from common.machine import Need
from common.models.model import Model
from common.processes.ports import LOOPBACK, free_ports
from common.processes.remote_server import RemoteServer
from common.processes.scratch import Scratch
from common.processes.server import ChildServer, Command
from common.service.bento_service import llm_service
from common.serving.capabilities import check_logprobs, logprobs_gaps
from common.settings import Settings
from services._compiled.tensorrt_engine import EngineConfig, check_model, open_engine
from services._triton.client import LOCAL, REMOTE, StreamBroken, TritonClient
from services._triton.repository import MODEL, write_repository
from services._triton.request import Part
from services._triton.server import (
    BINARY,
    check_local,
    check_remote,
    command,
    kv_cache_usage,
    read_metrics,
)

COMPILED = "it was decided when the engine was compiled"
COUNTS_PROMPT = (
    "TensorRT-LLM 1.2 also counts the prompt's tokens, and its Triton backend cannot leave them out"
)
ENDS_ALL = "a schema that cannot be compiled ends every running request of TensorRT-LLM's executor"


class TritonEngine(Engine):
    """A tritonserver that is started here with a compiled engine, or runs at `engine_url`."""

    name = "triton"
    title = "Triton"
    release = "26.07 with TensorRT-LLM 1.2.1"
    interface = "streaming gRPC with `tritonclient`"
    tested = Tested(
        contract="tritonserver 2.51.0 (`nvidia-pytriton` 0.7.0), with a Python model that has the "
        "same tensors, and `config.pbtxt` of TensorRT-LLM's backend"
    )
    package = "tritonclient"
    binary = BINARY
    needs = (Need.SHARED_MEMORY,)
    unsupported = {
        "min_p": "TensorRT-LLM's Triton backend has no such tensor",
        "presence_penalty": COUNTS_PROMPT,
        "frequency_penalty": COUNTS_PROMPT,
        "top_logprobs": "the engine gives the probability of the chosen token only",
        "response_format": ENDS_ALL,
    }
    no_embeddings = "its TensorRT-LLM backend generates only"
    unsupported_settings = {
        **dict.fromkeys(ADAPTER_SETTINGS, COMPILED),
        "dtype": COMPILED,
        "kv_cache_dtype": COMPILED,
        "trust_remote_code": "no code of the model is run",
        "data_parallel_size": "one tritonserver is one copy of the model; run several services",
        "expert_parallel": COMPILED,
        "pipeline_parallel_size": "the engines that are compiled here have one stage",
        "speculative": "its drafts are compiled in: decoding_mode and other engine_args use them",
        "kv_cache_gib": "its size is given in tokens: engine_args max_tokens_in_paged_kv_cache",
    }

    _client: TritonClient | None = None
    _config: EngineConfig
    _root: Path
    _scratch: Scratch | None = None
    _metrics_port: int | None = None
    _version = "unknown"
    _kv_cache_usage: float | None = None

    def __init__(self, settings: Settings, model: Model) -> None:
        super().__init__(settings, model)
        self._vocab_size = model.vocab_size or 0
        # The engine itself would take 0 for each request that has no seed.
        self._seeds = random.Random(settings.seed)  # noqa: S311
        self._retired: list[TritonClient] = []
        self._server: ChildServer | RemoteServer
        if settings.engine_url is not None:
            self._server = RemoteServer(
                BINARY, settings.engine_url, self._ready, command=f"{BINARY} --model-repository=DIR"
            )
        else:
            self._server = ChildServer(
                BINARY, self._command, self._loaded, start_timeout=settings.start_timeout
            )

    @classmethod
    def check(cls, settings: Settings) -> None:
        super().check(settings)
        if settings.engine_url is not None:
            check_remote(settings, settings.engine_url)
        else:
            check_local(settings)

    def gaps(self) -> Mapping[str, str]:
        return logprobs_gaps(self.model, self.title) | dict(self.unsupported)

    @property
    def version(self) -> str:
        return self._version

    @cached_property
    def quantization(self) -> str:
        if self.settings.engine_url is not None:
            return self.model.quantization
        return open_engine(self.settings).quantization

    async def start(self, report: Callable[[Phase], None]) -> None:
        report("load")
        if self.settings.engine_url is None:
            self._prepare()
        else:
            await self._check_remote_model(self.settings.engine_url)
        await self._server.start()
        assert self._client is not None
        self._version = await self._client.check_model()

    def _prepare(self) -> None:
        """Raises StartError for an engine that cannot be served."""
        self._config = check_local(self.settings)
        check_model(self._config, self.model)
        self._vocab_size = self._config.vocab_size_padded
        self._scratch = Scratch("llm-triton-")
        self._root = self._scratch.path / "models"
        write_repository(self._root, self._config, self.settings)

    def _command(self) -> Command:
        """Returns the command for one start, with other ports and so another client."""
        if self._client is not None:
            self._retired.append(self._client)
        grpc_port, self._metrics_port = free_ports(2)
        self._client = TritonClient(f"{LOOPBACK}:{grpc_port}", LOCAL)
        return command(self.settings, self._config, self._root, grpc_port, self._metrics_port)

    async def _close_retired(self) -> None:
        while self._retired:
            await self._retired.pop().close()

    async def _check_remote_model(self, url: str) -> None:
        """Raises StartError for a server that answers and lacks the model."""
        self._client = client = TritonClient(url, REMOTE)
        if await client.answers() and not await client.ready():
            raise StartError(
                f"setting 'engine_url': the {BINARY} at {url!r} has no model {MODEL!r} that is "
                "ready; needed is that of TensorRT-LLM's inflight_batcher_llm"
            )

    async def _ready(self) -> bool:
        return self._client is not None and await self._client.ready()

    async def _loaded(self) -> bool:
        """Returns whether the model can be used. Raises StartError when it could not be loaded."""
        await self._close_retired()
        if await self._ready():
            return True
        if self._client is not None:
            await self._client.check_loaded()
        return False

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        sampling, ends = request.sampling, request.sampling.end_token_ids
        self._server.check()
        check_logprobs(request.sampling, self.title)
        seed = self._seeds.getrandbits(63) if sampling.seed is None else sampling.seed
        prompt, left = [*request.prompt_ids], sampling.max_tokens
        try:
            if ends and sampling.min_tokens:
                left -= sampling.min_tokens
                first = Part(tuple(prompt), sampling.min_tokens, seed, banned=ends)
                async with aclosing(self._stream(request, first)) as chunks:
                    async for piece in chunks:
                        prompt += piece.token_ids
                        yield piece._replace(finish_reason=None) if left else piece
                seed += 1
            if left:
                async with aclosing(
                    self._stream(request, Part(prompt, left, seed, ends))
                ) as chunks:
                    async for piece in chunks:
                        yield piece
        except StreamBroken as error:
            raise await self._server.failure(str(error)) from error

    def _stream(self, request: GenerateRequest, part: Part) -> AsyncGenerator[Chunk, None]:
        assert self._client is not None
        return self._client.stream(request, part, self._vocab_size)

    async def health(self) -> Health:
        """Returns a KV cache usage that is as old as the last read of the metrics."""
        health = await self._server.health()
        return dataclasses.replace(health, kv_cache_usage=self._kv_cache_usage)

    async def metrics(self) -> str:
        if self._metrics_port is None:
            return ""
        page = await read_metrics(self._metrics_port)
        self._kv_cache_usage = kv_cache_usage(page)
        return page

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.close()
        await self._server.stop()
        await self._close_retired()
        if self._scratch is not None:
            self._scratch.remove()


Triton = llm_service(TritonEngine, name="Triton")
