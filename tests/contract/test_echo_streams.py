"""A stream's deltas, joined, are the whole answer: any text, any stop strings, on every route."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from tests.conftest import EchoFactory
from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    MESSAGES,
    RESPONSES,
    Body,
    body_for,
    events,
    message_of,
    named_events,
    pieces,
    text_of,
)
from tests.service_process import Service

ODD = [
    "\n", "\n\n", "\r", "data: [DONE]\n\n", "\u2028", "\x00", "\ufffd", "猫", "🎉", "e\u0301",
    "\U0001f469\u200d\U0001f467", "<|im_end|>", "<think>", "</think>", "<tool_call>", "{", "ab",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(ODD) | st.text(max_size=3), min_size=1, max_size=10).map("".join)
STOPS = st.lists(st.sampled_from(ODD) | st.text(min_size=1, max_size=2), max_size=3)
LENGTH = {RESPONSES: "max_output_tokens"}
STOP = {MESSAGES: "stop_sequences"}


@pytest.fixture
def service(echo_service: EchoFactory) -> Service:
    return echo_service(engine_args={"tokens_per_chunk": 3, "length": 40})


def whole(path: str, value: Body) -> tuple[Any, ...]:
    """Returns the text of an answer, why it ended, and its count of tokens."""
    if path == MESSAGES:
        ended = value["stop_reason"], value["stop_sequence"]
        return "".join(b["text"] for b in value["content"]), *ended, value["usage"]
    if path == RESPONSES:
        parts = [part for item in value["output"] for part in item["content"]]
        return "".join(part["text"] for part in parts), value["status"], value["usage"]
    return text_of(value), value["choices"][0]["finish_reason"], value["usage"]


def streamed(path: str, response: Any) -> tuple[Any, ...]:
    """Returns the same of a stream, from its deltas."""
    if path == MESSAGES:
        message = message_of(named_events(response))
        return whole(path, message)
    if path == RESPONSES:
        values = named_events(response)
        deltas = [v["delta"] for v in values if v["type"] == "response.output_text.delta"]
        last = values[-1]["response"]
        assert "".join(deltas) == whole(path, last)[0]
        return whole(path, last)
    chunks = events(response)
    reasons = [c["finish_reason"] for chunk in chunks for c in chunk["choices"]]
    return pieces(chunks), next(filter(None, reasons)), chunks[-1]["usage"]


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, MESSAGES, RESPONSES])
def test_deltas_joined_are_the_whole_answer(service: Service, path: str) -> None:
    @settings(
        max_examples=40,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(TEXT, STOPS, st.integers(1, 50))
    def run(text: str, stops: list[str], length: int) -> None:
        fields: Body = {LENGTH.get(path, "max_tokens"): length, "temperature": 0}
        if path != RESPONSES and stops:
            fields[STOP.get(path, "stop")] = stops
        body = body_for(path, text, **fields)
        answer = service.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        if path in (CHAT, COMPLETIONS):
            body["stream_options"] = {"include_usage": True}
        stream = service.http.post(path, json={**body, "stream": True})
        assert streamed(path, stream) == whole(path, answer.json())

    run()
