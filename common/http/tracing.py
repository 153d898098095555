"""One span per generation request with the OpenTelemetry GenAI attributes; none per token."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind

from common.http.exchange import Exchange
from common.runtime import Runtime

tracer = trace.get_tracer("llm.http")


@contextmanager
def generation_span(exchange: Exchange, path: str, runtime: Runtime) -> Iterator[None]:
    """Continues the caller's trace (W3C traceparent header)."""
    carrier = {
        name: value
        for name in ("traceparent", "tracestate")
        if (value := exchange.header(name.encode())) is not None
    }
    attributes = {
        "gen_ai.operation.name": "chat" if "chat" in path else "text_completion",
        "gen_ai.request.model": runtime.model.served_name,
        "gen_ai.system": runtime.engine.name,
        "http.route": path,
        "request.id": exchange.request_id,
    }
    with tracer.start_as_current_span(
        f"POST {path}",
        context=extract(carrier) if carrier else None,
        kind=SpanKind.SERVER,
        attributes=attributes,
        record_exception=False,
    ) as span:
        yield
        span.set_attribute("http.response.status_code", exchange.status)
