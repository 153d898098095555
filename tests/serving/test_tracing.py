"""One span per generation, none per token, in the trace of the caller."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import orjson
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from common.http.app import App
from common.http.runtime import build_runtime
from common.models.model import DEMO_MODEL, open_model
from common.serving.generations import Generations
from common.serving.lifecycle import Lifecycle
from common.settings import Settings
from common.text.chat import open_chat
from services.echo import EchoEngine

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = [
    (b"content-type", b"application/json"),
    (b"x-request-id", b"traced"),
    (b"traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode()),
]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


async def started_app() -> App:
    settings = Settings()
    chat = open_chat(settings, open_model(settings, DEMO_MODEL))
    engine, lifecycle = EchoEngine(settings, chat.model), Lifecycle(settings)
    app = App(settings, lifecycle)
    runtime = build_runtime(settings, chat, engine, lifecycle, Generations())
    await lifecycle.start(engine)
    app.runtime = runtime
    return app


async def test_a_generation_is_one_span(exporter: InMemorySpanExporter) -> None:
    app = await started_app()
    body = orjson.dumps({"prompt": "Hello", "max_tokens": 50, "ignore_eos": True})
    messages = asyncio.Queue[dict[str, Any]]()
    messages.put_nowait({"type": "http.request", "body": body})
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/generate", "headers": HEADERS}
    await app(scope, messages.get, send)

    assert len(sent) > 20
    (span,) = exporter.get_finished_spans()
    assert span.name == "POST /generate"
    assert f"{span.context.trace_id:032x}" == TRACE
    attributes = dict(span.attributes or {})
    assert attributes["gen_ai.request.model"] == "demo"
    assert attributes["request.id"] == "traced"
    assert attributes["http.response.status_code"] == 200
