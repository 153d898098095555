"""Makes a BentoML service of an engine class."""

import os
import sys
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import bentoml
from bentoml import Service
from bentoml._internal.configuration.containers import BentoMLContainer
from opentelemetry import trace

from common.engine import Engine
from common.errors import StartError
from common.http.exchange import ASGIApp, ASGIMessage, Receive, Scope, Send
from common.http.generate import PlainText
from common.http.schemas import GenerateBody
from common.keys.account import UNITS
from common.keys.keyring import Keyring
from common.models.adapter_sources import check_adapters
from common.models.model import local_directory, open_model
from common.models.store_tags import with_stored
from common.plan import at_start
from common.secrets import refuse_secrets
from common.service import failure
from common.service.worker import Server
from common.serving import tracing
from common.settings import Settings, load_settings, misspelt

NO_LIMIT = 86400
"""Seconds: BentoML's own timeout cannot be off; ours apply (queue, first token, drain)."""


LIMITS = [f"x-ratelimit-{w}-{u}" for u in UNITS for w in ("limit", "remaining", "reset")]
EXPOSED = ["x-request-id", "retry-after", "x-ignored-fields", *LIMITS]
"""Headers that pages of other origins may read."""


class LLMService(Service[Any]):
    """BentoML's service with our application in front: each request goes straight to it.

    BentoML's middlewares (a tracing span per token, metrics per unknown path, no body limit) are
    passed only by its own pages. Its lifespan, schema, packaging and supervisor stay.
    """

    engine: type[Engine]
    server: Server

    def to_asgi(self, is_main: bool = True) -> Any:
        self.server = Server(self.engine, read_settings())
        self.server.app.bentoml = pages = super().to_asgi(is_main)
        trace.set_tracer_provider(
            self.server.tracer_provider or BentoMLContainer.tracer_provider.get()
        )
        app = with_cors(self.server.app, self.server.app.settings.cors_origins)

        async def entry(scope: Scope, receive: Receive, send: Send) -> None:
            await (app if scope["type"] == "http" else pages)(scope, receive, send)

        return entry


def with_cors(app: ASGIApp, origins: list[str]) -> ASGIApp:
    """Returns `app` with cross-origin access for these origins; without any, `app` itself."""
    if not origins:
        return app
    from starlette.middleware.cors import CORSMiddleware

    cors = CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "DELETE"],
        # In a browser, clients send headers of their own: the openai package x-stainless-*.
        allow_headers=["*"],
        expose_headers=EXPOSED,
    )

    async def entry(scope: Scope, receive: Receive, send: Send) -> None:
        preflight = scope["method"] == "OPTIONS"
        await cors(scope, receive, with_request_id(send) if preflight else send)

    return entry


def with_request_id(send: Send) -> Send:
    """Returns a `send` that adds a request id to responses that come without one."""

    async def stamped(message: ASGIMessage) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in message["headers"]}
            if b"x-request-id" not in names:
                message["headers"].append((b"x-request-id", uuid.uuid4().hex.encode()))
        await send(message)

    return stamped


def read_settings() -> Settings:
    """Returns the settings of bento arguments and the environment. Raises StartError."""
    return with_stored(load_settings(BentoMLContainer.bento_arguments.get(), os.environ))


def refuse_visible_secrets() -> None:
    """Raises StartError for a secret among the arguments, which bentoml hands on to its worker."""
    arguments = load_settings(BentoMLContainer.bento_arguments.get(), {})
    refuse_secrets(arguments, "stand in a command line, which every user of the machine can read")


def llm_service(engine: type[Engine], *, name: str) -> Service[Any]:
    """Returns the service that `bentoml serve services.<module>:<name>` loads.

    Called at the end of an adapter's module; imports no engine.
    """

    class Served:
        @bentoml.on_deployment
        @staticmethod
        def check() -> None:
            """Check the settings in the supervisor, before anything starts."""
            try:
                refuse_visible_secrets()
                check_start(engine, read_settings())
                for warning in misspelt(os.environ):
                    print(f"warning: {warning}", file=sys.stderr, flush=True)
            except StartError as error:
                print(f"error: {error}", file=sys.stderr, flush=True)
                sys.exit(1)
            failure.exit_on_failure()

        @bentoml.on_startup
        async def start(self) -> None:
            await served.server.start()

        @bentoml.on_shutdown
        async def stop(self) -> None:
            await served.server.stop()

        @bentoml.api(route="/generate", input_spec=GenerateBody)
        async def generate(self, **fields: Any) -> AsyncGenerator[str, None]:
            """The answer to one prompt as a stream of text.

            Over HTTP the same request is served by common/http/generate.py; this is the way for
            code in the same process, and what the schema is made of.
            """
            runtime = served.server.app.ready_runtime()
            runtime.check_task("generate", "/generate")
            job = await runtime.generate_job("in-process", GenerateBody(**fields))
            plain = PlainText()
            async with runtime.pipeline.stream(job) as (first, deltas):
                yield plain(first)
                async for delta in deltas:
                    yield plain(delta)

    Served.__doc__ = engine.__doc__
    served = decorate(Served, name)
    served.engine = engine
    served._caller_module = engine.__module__
    return served


def decorate(served: type, name: str) -> LLMService:
    """Returns the service of one worker, without BentoML's own metrics, access log and spans."""
    decorator = bentoml.service(
        name=name,
        service_class=LLMService,
        workers=1,
        traffic={"timeout": NO_LIMIT},
        metrics={"enabled": False},
        logging={"access": {"enabled": False}},
        tracing={"excluded_urls": ".*"},
    )
    service: LLMService = decorator(served)
    return service


def check_start(engine: type[Engine], settings: Settings) -> None:
    """Check what can be known without loading anything. Raises StartError."""
    engine.check(settings)
    tracing.check(settings)
    Keyring(settings.api_keys, settings.api_keys_file)
    path = local_directory(settings)
    if path is not None:
        model = open_model(settings, path)
        engine.check_task(model)
        check_adapters(settings, model, engine.adapter_gaps)
        at_start.check(engine, settings, model)
