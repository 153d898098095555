"""Ray Serve: an app of Ray Serve LLM on a Ray cluster, launched by us or running elsewhere.

Ray starts, watches and replaces the replicas, each of them vLLM; we speak HTTP to its proxy.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec

import aiohttp
from tokenizers import Tokenizer

from common.engine import Chunk, Engine, GenerateRequest, Health, Phase
from common.errors import StartError
from common.machine import Need
from common.processes.remote_server import RemoteServer, without_userinfo
from common.processes.server import ChildServer
from common.sampling import Limits
from common.service.bento_service import llm_service
from common.settings import Settings
from services._ray_serve.client import AppClient, RefusedByApp, kv_cache_usage, vllm_series
from services._ray_serve.launch import AppLaunch
from services._ray_serve.request import (
    cached_tokens,
    chunk,
    completion_body,
    event_error,
    message,
    prompt_ids,
    status_error,
    tokenizer_check_body,
)
from services._ray_serve.settings import (
    UNSUPPORTED_SETTINGS,
    app_url,
    check_running_app,
    choose_model,
    ray_args,
)
from services._vllm.arguments import check_arguments, grammar_gaps, speculative_gaps
from services._vllm.request import LIMITS, warm_up
from services._xgrammar.forms import check_form
from services._xgrammar.schemas import xgrammar_0_2

GRACE = 1.0
GRACE_ON_A_CLUSTER = 10.0
"""Seconds for the driver to end; on a cluster that stays it deletes the app."""
SAMPLE = "The quick brown fox: 1 + 1 = 2, naïve 你好 👋"
"""Two tokenizers hardly ever agree on it."""


class RayServeEngine(Engine):
    """Token ids in and out, over `/v1/completions` of the app."""

    name = "ray_serve"
    title = "Ray Serve"
    release = "2.60.0"
    interface = "an app on a Ray cluster, by its OpenAI HTTP API"
    package = "ray"
    needs = (Need.DRIVER, Need.C_COMPILER, Need.SHARED_MEMORY)
    schemas = xgrammar_0_2("vLLM")
    reasons_before_forms = True
    no_embeddings = "its adapter speaks the route of completions of its app"
    unsupported_settings = UNSUPPORTED_SETTINGS
    optional = ("regex", "grammar", "allowed_token_ids", "cache_salt")

    _server: ChildServer | RemoteServer | None = None
    _client: AppClient | None = None
    _launch: AppLaunch | None = None
    _model_id = ""
    _kv_cache_usage: float | None = None

    @classmethod
    def check(cls, settings: Settings) -> None:
        if settings.engine_url is None:
            super().check(settings)
            if find_spec("vllm") is None:
                raise StartError(
                    "vllm is not installed, which Ray Serve LLM runs; install the extra "
                    "'ray_serve': pip install '.[ray_serve]', or run scripts/serve ray_serve"
                )
            ray_args(settings)
            check_arguments(settings)
        else:
            check_running_app(settings)

    @classmethod
    def needed(cls, settings: Settings) -> Collection[Need]:
        return cls.needs if settings.engine_args.get("ray_address") is None else ()

    def limits(self) -> Limits:
        return LIMITS

    def gaps(self) -> Mapping[str, str]:
        return {**grammar_gaps(self.settings.engine_args), **speculative_gaps(self.settings)}

    @property
    def version(self) -> str:
        """Returns Ray's; an app that runs elsewhere does not say its own."""
        return version("ray") if self.settings.engine_url is None else "unknown"

    async def start(self, report: Callable[[Phase], None]) -> None:
        report("load")
        settings = self.settings
        if settings.engine_url is None:
            self._client = AppClient()
            self._launch = launch = await asyncio.to_thread(AppLaunch, settings, self.model)
            self._server = server = ChildServer(
                self.title,
                launch.command,
                self._ready,
                start_timeout=settings.start_timeout,
                grace=GRACE if launch.own_cluster else GRACE_ON_A_CLUSTER,
            )
            try:
                await server.start()
            except StartError as error:
                raise StartError(launch.status().get("error") or str(error)) from None
            self._model_id = launch.model_id
        else:
            self._client = AppClient(app_url(settings))
            self._server = RemoteServer(self.title, self._client.url, self._ready)
            await self._server.start()
            await self._check_model(self._client)
        report("warm-up")
        async for _ in self.generate(GenerateRequest("warm-up", (0,), warm_up(settings))):
            pass

    async def _check_model(self, client: AppClient) -> None:
        """Raises StartError for a running app that is not the one of our model."""
        self._model_id = choose_model(await client.models(), self.settings, self.model)
        tokenizer = Tokenizer.from_file(str(self.model.path / "tokenizer.json"))
        ids = tokenizer.encode(SAMPLE, add_special_tokens=False).ids
        body = tokenizer_check_body(self._model_id, SAMPLE, self.model.max_model_len - len(ids))
        try:
            async with aclosing(client.completion(body, "tokenizer-check")) as events:
                theirs = prompt_ids(await anext(events))
        except RefusedByApp as error:
            raise StartError(
                f"setting 'max_model_len': the app refuses {self.model.max_model_len} tokens: "
                f"{message(error.body)}"
            ) from None
        except aiohttp.ClientError as error:
            raise StartError(f"setting 'engine_url': the app broke off: {error!r}") from None
        if theirs is None:
            raise StartError(
                f"setting 'engine_url': the app at {without_userinfo(client.url)!r} gives no "
                f"token ids; allowed is one of Ray Serve LLM {self.release} with vLLM"
            )
        if ids != theirs:
            raise StartError(
                f"setting 'model': the app's model {self._model_id!r} has another tokenizer than "
                f"{self.model.path}; give the directory or hub id of the model that it serves"
            )

    async def _ready(self) -> bool:
        """Returns whether the app answers, and for one of ours whether a replica runs."""
        assert self._client is not None
        if self._launch is not None:
            status = self._launch.status()
            if "error" in status:
                raise StartError(status["error"])
            if not status.get("replicas"):
                return False
            self._client.url = status["url"]
        names = await self._client.models()
        return self._model_id in names if self._model_id else bool(names)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        server, client = self._server, self._client
        assert server is not None
        assert client is not None
        server.check()
        sampling = request.sampling
        if sampling.regex is not None or sampling.grammar is not None:
            # Ray's app answers one that cannot be compiled with an empty text and "stop".
            await asyncio.to_thread(check_form, sampling)
        body = completion_body(request, self._model_id)
        last: Chunk | None = None
        cached: int | None = None
        try:
            async with aclosing(client.completion(body, request.request_id)) as events:
                async for event in events:
                    if event is None:
                        break
                    if choices := event.get("choices"):
                        piece = chunk(choices[0], sampling.logprobs)
                        if piece.finish_reason is None:
                            yield piece
                        else:
                            last = piece
                    elif error := event.get("error"):
                        raise event_error(error, sampling) or await server.failure(str(error))
                    else:
                        cached = cached_tokens(event["usage"])
                else:
                    last = None
        except RefusedByApp as error:
            what = f"status {error.status}"
            raise status_error(error.status, error.body) or await server.failure(what) from error
        except (aiohttp.ClientError, OSError) as error:
            raise await server.failure(repr(error)) from error
        if last is None:
            # Ray ends the stream of a replica that has gone like any other, with status 200.
            raise await server.failure("the stream ended before the answer did")
        yield last._replace(cached_tokens=cached)

    async def health(self) -> Health:
        assert self._server is not None
        return replace(await self._server.health(), kv_cache_usage=self._kv_cache_usage)

    async def metrics(self) -> str:
        """Returns those of an app of ours; one elsewhere has a Prometheus of its own."""
        if self._launch is None or self._client is None:
            return ""
        exporters = self._launch.status().get("metrics", ())
        scrapes = await asyncio.gather(*map(self._client.scrape, exporters))
        series = vllm_series(scrapes, self._model_id)
        self._kv_cache_usage = kv_cache_usage(series)
        return series

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
        if self._client is not None:
            await self._client.close()
        if self._launch is not None:
            await asyncio.to_thread(self._launch.close)


RayServe = llm_service(RayServeEngine, name="RayServe")
