"""What conversations of other clients hold, and what our own answers hold when they come back."""

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.contract.support import (
    CHAT,
    Body,
    assert_error,
    chat,
    events,
    pieces,
    text_of,
    tokenize,
    user,
)
from tests.contract.test_tools import WEATHER
from tests.service_process import Service, loads_weights

SPOKEN = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'
CALL: Body = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'},
}


def prompt_text(service: Service, messages: list[Body], **fields: Any) -> str:
    ids = tokenize(service, messages=messages, **fields)
    text: str = service.http.post("/detokenize", json={"tokens": ids}).json()["prompt"]
    return text


def test_an_answer_of_the_openai_package_can_be_sent_back(backend_service: Service) -> None:
    messages: Any = user("Hello")
    with OpenAI(base_url=f"{backend_service.url}/v1", api_key="none", max_retries=0) as client:
        reply = client.chat.completions.create(model="default", messages=messages, max_tokens=3)
        messages += [reply.choices[0].message.model_dump(), *user("More")]
        again = client.chat.completions.create(model="default", messages=messages, max_tokens=3)
    assert again.usage is not None
    assert again.usage.prompt_tokens == len(
        tokenize(
            backend_service,
            messages=[
                *user("Hello"),
                {"role": "assistant", "content": reply.choices[0].message.content},
                *user("More"),
            ],
        )
    )


def test_the_deltas_of_a_stream_put_together_can_be_sent_back(backend_service: Service) -> None:
    streamed: Body = {"role": "assistant", "content": "", "refusal": None, "function_call": None}
    streamed["tool_calls"] = [{"index": 0, **CALL}]
    result = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    plain = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    sent, expected = (
        prompt_text(backend_service, [*user("Weather?"), message, result])
        for message in (streamed, plain)
    )
    assert sent == expected
    assert '"city": "Rome"' in sent


@pytest.mark.parametrize(
    ("messages", "same"),
    [
        ([{"role": "assistant", "content": None}], [{"role": "assistant", "content": ""}]),
        ([{"role": "assistant"}], [{"role": "assistant", "content": ""}]),
        (
            [{"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}],
            [{"role": "assistant", "content": "No."}],
        ),
        (
            [{"role": "assistant", "content": None, "refusal": "No."}],
            [{"role": "assistant", "content": "No."}],
        ),
        (
            [{"role": "assistant", "tool_calls": [
                {**CALL, "function": {"name": "get_weather", "arguments": {"city": "Rome"}}}
            ]}],
            [{"role": "assistant", "tool_calls": [CALL]}],
        ),
        (
            [{"role": "assistant", "content": None, "function_call": CALL["function"]},
             {"role": "function", "name": "get_weather", "content": "sunny"}],
            [{"role": "assistant", "tool_calls": [CALL]},
             {"role": "tool", "name": "get_weather", "content": "sunny"}],
        ),
    ],
    ids=["null", "absent", "refusal-part", "refusal", "arguments-object", "function-call"],
)  # fmt: skip
def test_a_message_is_rendered_like_its_plain_form(
    backend_service: Service, messages: list[Body], same: list[Body]
) -> None:
    sent, expected = (prompt_text(backend_service, [*user("Hi"), *m]) for m in (messages, same))
    assert sent == expected
    chat(backend_service, [*user("Hi"), *messages], max_tokens=1)


def test_the_last_message_can_be_continued(backend_service: Service) -> None:
    messages: list[Body] = [*user("Hello"), {"role": "assistant", "content": "Well, I say "}]
    text = prompt_text(backend_service, messages, continue_final_message=True)
    whole = prompt_text(backend_service, messages, add_generation_prompt=False)
    assert text.rstrip().endswith("Well, I say")
    assert whole.startswith(text)
    value = chat(backend_service, messages, continue_final_message=True, max_tokens=1)
    ids = tokenize(backend_service, messages=messages, continue_final_message=True)
    assert value["usage"]["prompt_tokens"] == len(ids)
    body = {"messages": messages, "continue_final_message": True, "add_generation_prompt": True}
    response = backend_service.http.post(CHAT, json=body)
    assert_error(response, 400, "invalid_value", "continue_final_message")


def test_without_a_generation_prompt_the_prompt_ends_with_the_messages(
    backend_service: Service,
) -> None:
    fields = {"add_generation_prompt": False}
    assert prompt_text(backend_service, user("Hello"), **fields) + "<|im_start|>assistant\n" == (
        prompt_text(backend_service, user("Hello"))
    )
    value = chat(backend_service, user("Hello"), max_tokens=1, **fields)
    expected = len(tokenize(backend_service, messages=user("Hello"), **fields))
    assert value["usage"]["prompt_tokens"] == expected


@pytest.mark.parametrize("effort", ["none", "minimal", "high"])
def test_a_reasoning_effort_is_accepted_where_the_template_knows_none(
    backend_service: Service, effort: str
) -> None:
    value = chat(backend_service, user("Hello"), reasoning_effort=effort, max_tokens=1)
    assert value["usage"]["prompt_tokens"] == len(tokenize(backend_service, messages=user("Hello")))


def test_functions_are_tools(backend_service: Service) -> None:
    shown = len(tokenize(backend_service, messages=user("Hello"), tools=[WEATHER]))
    hidden = len(tokenize(backend_service, messages=user("Hello")))
    functions = [WEATHER["function"]]
    for choice, expected in ((None, shown), ("auto", shown), ("none", hidden)):
        fields: Body = {"functions": functions, "function_call": choice, "max_tokens": 1}
        assert chat(backend_service, user("Hello"), **fields)["usage"]["prompt_tokens"] == expected
    body: Body = {"messages": user("Hello"), "functions": functions}
    response = backend_service.http.post(CHAT, json={**body, "function_call": {"name": "other"}})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "tool_choice"
    response = backend_service.http.post(CHAT, json={**body, "tools": [WEATHER]})
    assert_error(response, 400, "unsupported_parameter", "functions")


def test_a_choice_is_auto_or_none_without_tools(backend_service: Service) -> None:
    for choice in ("auto", "none"):
        no_tools: tuple[Body | list[Body] | None, ...] = (None, [])
        for tools in no_tools:
            answer = chat(
                backend_service, user("Hello"), tool_choice=choice, tools=tools, max_tokens=1
            )
            assert answer["choices"][0]["finish_reason"] in ("length", "stop")


@pytest.mark.parametrize(("length", "taken"), [(65, True), (128, True), (129, False)])
def test_the_name_of_a_tool_may_be_long(backend_service: Service, length: int, taken: bool) -> None:
    tool = {"type": "function", "function": {"name": "n" * length}}
    body = {"messages": user("Hello"), "tools": [tool], "max_tokens": 1}
    response = backend_service.http.post(CHAT, json=body)
    if taken:
        assert response.status_code == 200, response.text
    else:
        assert_error(response, 400, "invalid_value", "tools[0].function.name")


def test_one_call_is_kept_without_parallel_calls(backend_service: Service) -> None:
    if loads_weights(backend_service.backend):
        pytest.skip("a model answers as it likes")
    fields: Body = {"tools": [WEATHER], "max_tokens": 400, "ignore_eos": True}
    for parallel in (None, True, False):
        fields["parallel_tool_calls"] = parallel
        value = chat(backend_service, user(SPOKEN), **fields)["choices"][0]
        body = {"messages": user(SPOKEN), "temperature": 0, "stream": True, **fields}
        choices = [c for e in events(backend_service.http.post(CHAT, json=body))
                   for c in e["choices"]]  # fmt: skip
        streamed = [call for c in choices for call in c["delta"].get("tool_calls", [])]
        calls = value["message"]["tool_calls"]
        indexes = {call["index"] for call in streamed}
        if parallel is False:
            assert len(calls) == 1
            assert indexes == {0}
        else:
            assert len(calls) == len(indexes) > 1


def test_markup_of_calls_is_text_where_no_tool_may_be_called(backend_service: Service) -> None:
    """With the choice `none`, and where there are no tools."""
    for fields in ({"tools": [WEATHER], "tool_choice": "none"}, {"tool_choice": "none"}, {}):
        value = chat(backend_service, user(SPOKEN), max_tokens=60, **fields)
        assert "tool_calls" not in value["choices"][0]["message"]
        assert value["choices"][0]["finish_reason"] in ("stop", "length")
        if not loads_weights(backend_service.backend):
            assert SPOKEN in text_of(value)


def test_usage_is_null_in_all_chunks_but_the_last(backend_service: Service) -> None:
    body: Body = {"messages": user("Hello"), "max_tokens": 4, "stream": True, "n": 2}
    body["stream_options"] = {"include_usage": True}
    *chunks, last = events(backend_service.http.post(CHAT, json=body))
    assert [chunk["usage"] for chunk in chunks] == [None] * len(chunks)
    assert last["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
def test_usage_so_far_is_in_every_chunk_on_demand(backend_service: Service, path: str) -> None:
    body: Body = {"prompt": "Hello"} if path != CHAT else {"messages": user("Hello")}
    body |= {"max_tokens": 6, "ignore_eos": True, "stream": True, "temperature": 0}
    options = {"include_usage": True, "continuous_usage_stats": True}
    body["stream_options"] = options
    chunks = events(backend_service.http.post(path, json=body))
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert counts == sorted(counts)
    assert counts[-1] == 6
    for chunk in chunks:
        usage = chunk["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert len({chunk["usage"]["prompt_tokens"] for chunk in chunks}) == 1
    body["stream_options"] = None
    plain = events(backend_service.http.post(path, json=body))
    assert pieces(plain) == pieces(chunks)
    assert json.dumps(plain).count("usage") == 0
