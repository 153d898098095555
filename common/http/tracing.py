"""One span per generation request with the OpenTelemetry GenAI attributes; none per token."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, StatusCode

from common.errors import InternalError, ServiceError
from common.http.exchange import Exchange
from common.http.runtime import Runtime

OPERATIONS = {
    "/generate": "text_completion",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}
"""Names of OpenTelemetry for what is no chat."""
tracer = trace.get_tracer("llm.http")


@contextmanager
def generation_span(exchange: Exchange, path: str, runtime: Runtime) -> Iterator[None]:
    """Trace the block as one span, in the caller's trace (W3C traceparent header)."""
    carrier = {
        name: value
        for name in ("traceparent", "tracestate")
        if (value := exchange.header(name.encode())) is not None
    }
    attributes = {
        "gen_ai.operation.name": OPERATIONS.get(path, "chat"),
        "gen_ai.provider.name": runtime.engine.name,
        "gen_ai.request.model": runtime.model.served_name,
        "gen_ai.response.model": runtime.model.served_name,
        "http.request.method": "POST",
        "http.route": path,
        "url.path": path,
    }
    with tracer.start_as_current_span(
        f"POST {path}",
        context=extract(carrier) if carrier else None,
        kind=SpanKind.SERVER,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except ServiceError as error:
            _fail(span, exchange, error)
            raise
        except Exception:
            _fail(span, exchange, InternalError("internal error"))
            raise
        else:
            span.set_attribute("http.response.status_code", exchange.status)
        finally:
            # Both may stand in the body, which has been read meanwhile.
            span.set_attribute("request.id", exchange.request_id)
            if exchange.adapter is not None:
                for side in ("request", "response"):
                    span.set_attribute(f"gen_ai.{side}.model", exchange.adapter.name)


def _fail(span: Span, exchange: Exchange, error: ServiceError) -> None:
    """Record the error, as a failure of the span only where it is the server's."""
    status = exchange.status if exchange.started else error.status
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("error.type", error.code)
    if error.status >= 500:
        span.set_status(StatusCode.ERROR, error.message)
