"""Hugging Face TGI: text-generation-launcher as a child process, or a server that runs elsewhere.

TGI encodes text itself, returns its own ids, and stops at limits and end tokens of its own: where a
request is for more, the answer goes on in another request, from its text.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace

from common.engine import LOADING_SETTINGS, Chunk, Engine, GenerateRequest, Health, Phase, Tested
from common.errors import StartError
from common.machine import Need
from common.models.model import Model
from common.models.portable import stage
from common.processes.remote_server import (
    RemoteServer,
    check_running,
    is_http_address,
    without_userinfo,
)
from common.processes.scratch import Scratch
from common.processes.server import ChildServer, Command
from common.service.bento_service import llm_service
from common.serving.capabilities import check_logprobs, logprobs_gaps
from common.settings import Settings
from common.text.tokenizer import Tokenizer
from services._tgi.client import Answer, BrokenStream, TGIClient
from services._tgi.launch import (
    LAUNCHER,
    check_arguments,
    check_formats,
    find_launcher,
    launch,
    server_command,
)
from services._tgi.prompt import Prompt, Prompts
from services._tgi.request import SCHEMAS

logger = logging.getLogger("bentoml.llm.tgi")

SAMPLE = "Hello, world! 1 + 2 = 3\n猫"


class TGIEngine(Engine):
    """Text in, token ids out, over HTTP."""

    name = "tgi"
    title = "TGI"
    release = "3.3.7 (the last; archived 2026-03-21, its authors name vLLM and SGLang instead)"
    interface = "`/generate_stream` of `text-generation-launcher` or of a running server"
    tested = Tested(contract="its OpenAPI document, the source code of 3.3")
    binary = LAUNCHER
    needs = (Need.SHARED_MEMORY,)
    schemas = SCHEMAS
    unsupported = {
        "tool_choice": "its grammars are JSON documents, and a call is more than that",
        "frequency_penalty": "TGI subtracts a token's share of prompt and answer, not its count",
        "logit_bias": "TGI's requests have no bias",
        "min_p": "TGI has no such filter",
        "min_tokens": "TGI cannot be kept from choosing its end token",
        "presence_penalty": "TGI has none but a repetition penalty",
    }
    no_embeddings = "its authors serve embeddings by another program, text-embeddings-inference"
    adapter_gaps = dict.fromkeys(
        ("rank_pattern", "alpha_pattern"), "TGI has one rank and one scale for all of an adapter"
    )
    unsupported_settings = {
        **dict.fromkeys(LOADING_SETTINGS, "TGI loads adapters when it starts"),
        "engine_dir": "TGI loads the model's own files",
        "data_parallel_size": "one TGI server is one copy of the model; run several services",
        "expert_parallel": "TGI gives each GPU a part of every expert",
        "kv_offload": "TGI's KV cache stays on its GPUs",
        "pipeline_parallel_size": "TGI splits every layer between its GPUs, num-shard of them",
        **dict.fromkeys(
            ("speculative=draft", "speculative=eagle", "speculative=eagle3", "speculative=mtp"),
            "TGI drafts from n-grams, or by itself where the model has Medusa's heads",
        ),
        "kv_cache_gib": "TGI's KV cache takes what the weights leave of gpu_memory_utilization",
        "seed": "TGI's requests have seeds, the server has none",
    }

    _client: TGIClient | None = None
    _server: ChildServer | RemoteServer | None = None
    _scratch: Scratch | None = None
    _served: Model
    _version = release.split()[0]

    @classmethod
    def check(cls, settings: Settings) -> None:
        super().check(settings)
        if settings.engine_url is None:
            check_formats(settings)
            check_arguments(settings.engine_args)
            find_launcher(settings)
            return
        if not is_http_address(settings.engine_url):
            raise StartError(
                f"setting 'engine_url': {without_userinfo(settings.engine_url)!r} is no address of "
                "a TGI server; allowed is one such as 'http://127.0.0.1:8080'"
            )
        check_running(settings)

    def gaps(self) -> Mapping[str, str]:
        return logprobs_gaps(self.model, self.title) | dict(self.unsupported)

    @property
    def version(self) -> str:
        return self._version

    async def start(self, report: Callable[[Phase], None]) -> None:
        report("load")
        settings, model = self.settings, self.model
        tokenizer = Tokenizer(model.path)
        self._prompts = Prompts(tokenizer, images="vision_config" in model.config.values)
        self._client = client = TGIClient((settings.engine_url or "").rstrip("/"))
        if settings.engine_url is not None:
            self._server = RemoteServer(
                self.title, client.url, client.ready, command=server_command(settings)
            )
        else:
            self._scratch = Scratch("llm-tgi-")
            # Its transformers is 4, and it may write into the directory.
            folder = self._scratch.path / "model"
            path = await asyncio.to_thread(stage, model.path, folder, model.load.dtype)
            self._served = replace(model, path=path)
            self._server = ChildServer(
                self.title, self._command, client.ready, start_timeout=settings.start_timeout
            )
        await self._server.start()
        await self._check_server(client, tokenizer)

    def _command(self) -> Command:
        """Returns the command for one start, each with other ports."""
        assert self._client is not None
        assert self._scratch is not None
        command, self._client.url = launch(self.settings, self._served, self._scratch.path)
        return command

    async def _check_server(self, client: TGIClient, tokenizer: Tokenizer) -> None:
        """Raises StartError when it cannot serve this model at this length."""
        info = await client.info()
        self._version = str(info.get("version"))
        length, limit = self.model.max_model_len, info.get("max_total_tokens")
        if not isinstance(limit, int) or limit < length:
            raise StartError(
                f"setting 'max_model_len': {length} is more than the {limit} tokens of TGI at "
                f"{without_userinfo(client.url)} (its flag --max-total-tokens); allowed is at "
                "most that"
            )
        sample = SAMPLE + "".join(tokenizer.special_tokens.values())
        expected = await tokenizer.encode(sample, add_special_tokens=True)
        encoded = await client.encode(sample)
        if encoded != expected:
            raise StartError(
                f"setting 'model': TGI at {without_userinfo(client.url)} serves "
                f"{info.get('model_id')!r}, which has another tokenizer than "
                f"{self.model.path}: of a sample it makes {encoded}, not {expected}"
            )
        if info.get("max_concurrent_requests", 0) < self.settings.max_concurrency:
            logger.warning(
                "TGI takes %s requests at once; max_concurrency is %s, and those beyond get 429",
                info.get("max_concurrent_requests"),
                self.settings.max_concurrency,
            )

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        assert self._client is not None
        assert self._server is not None
        self._server.check()
        check_logprobs(request.sampling, self.title)
        ids = request.prompt_ids
        # The prompt of a probe may not be expressible.
        text = Prompt(self._prompts.text(ids)) if request.probe else await self._prompts.of(ids)
        adapter = None if request.adapter is None else request.adapter.name
        answer = Answer(
            self._client, self._prompts, self.model.max_model_len, request.sampling, adapter
        )
        try:
            async with aclosing(answer.chunks(text)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BrokenStream as error:
            raise await self._server.failure(str(error)) from error

    async def health(self) -> Health:
        assert self._server is not None
        return await self._server.health()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
        if self._client is not None:
            await self._client.close()
        if self._scratch is not None:
            self._scratch.remove()

    async def metrics(self) -> str:
        return await self._client.metrics() if self._client is not None else ""


TGI = llm_service(TGIEngine, name="TGI")
