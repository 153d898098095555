"""Spans as a collector gets them over OTLP: one a request, in the caller's trace, none a token."""

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.conftest import EchoFactory
from tests.contract.support import CHAT, COMPLETIONS, GENERATE, body_for
from tests.operations.collector import Collector, attributes, running_collector
from tests.refusals import refusals_before_start
from tests.service_process import Service, eventually, start_service

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACED, NOT_TRACED = f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-00"
EVERY_SECOND = {"OTEL_BSP_SCHEDULE_DELAY": "200"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
def service(collector: Collector) -> Iterator[Service]:
    variables = {**EVERY_SECOND, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20of-ours"}
    os.environ.update(variables)
    try:
        started = start_service(
            "echo",
            otlp_endpoint=collector.url,
            engine_args={"itl": 0.002, "length": 200},
        )
    finally:
        for name in variables:
            del os.environ[name]
    with started:
        yield started


def ask(service: Service, path: str, request_id: str, **fields: Any) -> httpx.Response:
    headers = {"x-request-id": request_id}
    if parent := fields.pop("traceparent", None):
        headers["traceparent"] = parent
    return service.http.post(path, json=body_for(path, "Hello you", **fields), headers=headers)


def span_of(collector: Collector, request_id: str) -> Span:
    eventually(lambda: request_id in collector.by_request_id(), 120, f"a span of {request_id}")
    return collector.by_request_id()[request_id]


@pytest.mark.parametrize(
    ("path", "operation"),
    [(GENERATE, "text_completion"), (COMPLETIONS, "text_completion"), (CHAT, "chat")],
)
def test_a_generation_is_one_span_with_the_genai_attributes(
    service: Service, collector: Collector, path: str, operation: str
) -> None:
    request_id = f"one{path.replace('/', '-')}"
    fields = {"max_tokens": 50, "temperature": 0.5, "seed": 7, "ignore_eos": True}
    if path != GENERATE:
        fields["stream"] = True
    assert ask(service, path, request_id, traceparent=TRACED, **fields).status_code == 200
    span = span_of(collector, request_id)
    assert (span.name, span.kind) == (f"POST {path}", Span.SPAN_KIND_SERVER)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, CALLER)
    assert span.status.code == Status.STATUS_CODE_UNSET
    found = attributes(span.attributes)
    first = found.pop("gen_ai.response.time_to_first_chunk")
    assert 0 < first < (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    assert found.pop("gen_ai.usage.input_tokens") >= 2
    assert found == {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "echo",
        "gen_ai.request.model": "demo",
        "gen_ai.response.model": "demo",
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 1.0,
        "gen_ai.request.seed": 7,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.response.finish_reasons": ["length"],
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": path,
        "url.path": path,
        "request.id": request_id,
    }


def test_nothing_but_the_generations_is_traced_and_no_prompt(
    service: Service, collector: Collector
) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/v1/models", "/docs.json", "/nowhere"):
        service.http.get(path)
    service.http.post("/tokenize", json={"prompt": "Hello you"})
    before = len(collector.spans)
    for number in range(5):
        ask(service, CHAT, f"last-{number}", max_tokens=20, ignore_eos=True, stream=True)
    for number in range(5):
        span_of(collector, f"last-{number}")
    assert len(collector.spans) == before + 5
    ids = [attributes(span.attributes).get("request.id", "") for span in collector.spans]
    assert len(ids) == len(set(ids)), "a span each"
    assert all(span.name.startswith("POST /") for span in collector.spans)
    assert not any(span.events for span in collector.spans)
    assert "Hello you" not in str(collector.spans)
    assert set(collector.posts) == {("/v1/traces", "application/x-protobuf")}
    assert {headers["authorization"] for headers in collector.headers} == {"Bearer of-ours"}
    assert {resource["service.name"] for resource in collector.resources} == {"llm-echo"}


def test_a_refusal_is_the_clients_error(service: Service, collector: Collector) -> None:
    assert ask(service, CHAT, "refused", temperature=9).status_code == 400
    span = span_of(collector, "refused")
    assert span.status.code == Status.STATUS_CODE_UNSET
    found = attributes(span.attributes)
    assert (found["http.response.status_code"], found["error.type"]) == (400, "invalid_value")
    assert "gen_ai.usage.output_tokens" not in found


def test_a_client_that_leaves_is_told_with_what_it_got(
    service: Service, collector: Collector
) -> None:
    body = body_for(CHAT, "Hello", max_tokens=3000, ignore_eos=True, stream=True)
    headers = {"x-request-id": "left"}
    with service.http.stream("POST", CHAT, json=body, headers=headers) as response:
        next(response.iter_lines())
    found = attributes(span_of(collector, "left").attributes)
    assert found["error.type"] == "cancelled"
    assert 0 < found["gen_ai.usage.output_tokens"] < 3000


def test_a_caller_that_does_not_trace_is_obeyed(service: Service, collector: Collector) -> None:
    """Spans are sent in the order in which they end."""
    ask(service, GENERATE, "untraced", traceparent=NOT_TRACED, max_tokens=1)
    ask(service, GENERATE, "traced", traceparent=TRACED, max_tokens=1)
    span_of(collector, "traced")
    assert "untraced" not in collector.by_request_id()


def test_a_broken_stream_is_an_error_and_the_end_sends_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also with a ratio of 0: the caller's decision goes before it."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    with running_collector() as collector:
        failing = {"failure": "midstream", "fail_after": 3}
        with start_service(
            "echo", engine_args=failing, otlp_endpoint=collector.url + "/v1/traces", trace_ratio=0
        ) as service:
            fields = {"max_tokens": 50, "ignore_eos": True, "stream": True}
            ask(service, CHAT, "by-ratio", **fields)
            ask(service, CHAT, "broken", traceparent=TRACED, **fields)
            assert not collector.spans, "batched"
        (span,) = collector.spans
    found = attributes(span.attributes)
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert (found["request.id"], found["error.type"]) == ("broken", "internal_error")
    assert found["http.response.status_code"] == 200, "it had begun"
    assert found["gen_ai.usage.output_tokens"] == 3


def test_a_collector_that_is_gone_disturbs_nobody() -> None:
    with running_collector() as collector:
        endpoint = collector.url
    with start_service("echo", otlp_endpoint=endpoint) as service:
        for number in range(3):
            assert ask(service, CHAT, f"alone-{number}", max_tokens=3).status_code == 200
    assert service.process.returncode == 0


def imports_protobuf(service: Service) -> bool:
    """Its compiled half, mapped into the worker."""
    return any("google/_upb" in entry.path for entry in service.worker().memory_maps())


def test_without_the_setting_no_exporter_is_imported(
    service: Service, echo_service: EchoFactory
) -> None:
    assert imports_protobuf(service)
    assert not imports_protobuf(echo_service())


def test_an_endpoint_that_is_no_address_stops_the_start() -> None:
    (line,) = refusals_before_start("echo", {"otlp_endpoint": "collector:4318"})
    assert line.startswith("error: setting 'otlp_endpoint': ")
    assert "not an address such as http://collector:4318" in line
