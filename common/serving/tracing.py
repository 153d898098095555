"""Spans for an OpenTelemetry collector, and their attributes of a generation.

Two settings switch it on; the exporter is imported only then. What else it needs, such as headers
with a token, it takes from the variables of OpenTelemetry (OTEL_EXPORTER_OTLP_HEADERS).
"""

import asyncio
import threading
import uuid
from collections.abc import Mapping
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from common.errors import StartError
from common.serving.job import Job
from common.settings import Settings

PATH = "/v1/traces"
"""The path of spans at a collector whose endpoint names none."""
EXPORT_TIMEOUT = 5.0
FLUSH_TIMEOUT = 5.0
"""Seconds at the end of the service; spans that are not sent by then are lost."""

Attributes = Mapping[str, str | int | float | list[str]]


def check(settings: Settings) -> None:
    """Raises StartError when spans are to be sent and cannot be."""
    if settings.otlp_endpoint is None:
        return
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401
    except ImportError as error:
        raise StartError(
            f"setting 'otlp_endpoint' needs a package that is missing ({error}): "
            "pip install opentelemetry-exporter-otlp-proto-http==1.45.1"
        ) from None


def tracer_provider(settings: Settings, backend: str) -> TracerProvider | None:
    """Returns a provider that sends spans to the endpoint, None when none is set.

    A caller's own decision to trace goes before `trace_ratio`.
    """
    if settings.otlp_endpoint is None:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    own = {"service.name": f"llm-{backend}", "service.instance.id": uuid.uuid4().hex}
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
        resource=Resource.create(own).merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(with_path(settings.otlp_endpoint), timeout=EXPORT_TIMEOUT)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def with_path(endpoint: str) -> str:
    """Returns the endpoint of spans: by OpenTelemetry's rule that of a collector has no path."""
    url = endpoint.rstrip("/")
    return url if urlsplit(url).path else url + PATH


async def flush(provider: TracerProvider) -> None:
    """Send the last spans, for a limited time: a collector that is gone must not delay the end."""
    sender = threading.Thread(target=provider.shutdown, daemon=True)
    sender.start()
    await asyncio.to_thread(sender.join, FLUSH_TIMEOUT)


def request_attributes(job: Job) -> Attributes:
    """Returns the attributes of the request, without its text."""
    sampling = job.sampling
    optional = {
        "gen_ai.request.choice.count": job.n if job.n > 1 else None,
        "gen_ai.request.seed": sampling.seed,
        "gen_ai.request.top_k": sampling.top_k or None,
        "gen_ai.request.presence_penalty": sampling.presence_penalty or None,
        "gen_ai.request.frequency_penalty": sampling.frequency_penalty or None,
    }
    return {
        "gen_ai.request.max_tokens": sampling.max_tokens,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.usage.input_tokens": job.prompt_tokens,
        **{name: value for name, value in optional.items() if value is not None},
    }


def response_attributes(job: Job) -> Attributes:
    """Returns the attributes of the response, in full or up to where it broke off."""
    attributes: dict[str, str | int | float | list[str]] = {
        "gen_ai.usage.output_tokens": job.completion_tokens,
        "gen_ai.response.finish_reasons": [
            answer.finish_reason for answer in job.answers if answer.finish_reason is not None
        ],
    }
    if job.cached_tokens is not None:
        attributes["gen_ai.usage.cache_read.input_tokens"] = job.cached_tokens
    if job.first_token:
        attributes["gen_ai.response.time_to_first_chunk"] = job.first_token - job.arrived
    return attributes
