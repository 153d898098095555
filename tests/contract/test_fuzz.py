"""Any body on any JSON route gives a valid answer or our error body; never a 500."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel

from common.http.anthropic.schemas import CountTokensBody, MessagesBody
from common.http.schemas import (
    ChatBody,
    CompletionBody,
    DetokenizeBody,
    GenerateBody,
    TokenizeBody,
)
from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    COUNT_TOKENS,
    GENERATE,
    MESSAGES,
    Body,
    expect_idle,
    user,
)
from tests.service_process import Service

ROUTES: dict[str, tuple[type[BaseModel], Body]] = {
    GENERATE: (GenerateBody, {"prompt": "Hello", "max_tokens": 2}),
    CHAT: (ChatBody, {"messages": user("Hello"), "max_tokens": 2}),
    COMPLETIONS: (CompletionBody, {"prompt": "Hello", "max_tokens": 2}),
    MESSAGES: (MessagesBody, {"messages": user("Hello"), "max_tokens": 2}),
    COUNT_TOKENS: (CountTokensBody, {"messages": user("Hello")}),
    "/tokenize": (TokenizeBody, {"prompt": "Hello"}),
    "/detokenize": (DetokenizeBody, {"tokens": [5]}),
}
DONE = "data: [DONE]\n\n"
END = {MESSAGES: 'data: {"type":"message_stop"}\n\n'}
EXAMPLES = {"echo": 150}
FEW = 15
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, -1, 2**31, 2**63, -(2**63), 10**30, 10**400]),
    st.floats(allow_nan=True),
    st.text(max_size=20),
    st.sampled_from(["", "\x00", "猫🎉", "‮", "<|im_end|>", "default", "text", "none", "auto"]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "owner"])},
    optional={
        "content": st.text(max_size=10) | st.text(max_size=10) | JSON,
        "name": st.text(max_size=5) | JSON,
        "tool_calls": st.none() | JSON,
        "tool_call_id": st.text(max_size=5) | JSON,
    },
)


def of_schema(schema: Body, definitions: Body) -> st.SearchStrategy[Any]:
    """Returns values that a JSON schema of pydantic's roughly allows; ranges are left to chance."""
    if "$ref" in schema:
        return of_schema(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in schema:
        return st.one_of([of_schema(one, definitions) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    match schema.get("type"):
        case "integer":
            low = schema.get("minimum", 0)
            return st.integers(low, low + 8)
        case "number":
            low, high = schema.get("minimum", 0.01), schema.get("maximum", 1)
            return st.floats(low, high)
        case "string":
            return st.text(max_size=12)
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(of_schema(schema.get("items", {}), definitions), max_size=3)
        case "object" if "properties" in schema:
            fields = {k: of_schema(v, definitions) for k, v in schema["properties"].items()}
            needed = schema.get("required", [])
            return st.fixed_dictionaries(
                {name: fields[name] for name in needed},
                optional={name: fields[name] for name in fields if name not in needed},
            )
    return JSON


def likely(path: str) -> dict[str, st.SearchStrategy[Any]]:
    """Returns values for each field of a route that are mostly good."""
    schema = ROUTES[path][0].model_json_schema()
    definitions = schema.get("$defs", {})
    fields = {name: of_schema(field, definitions) for name, field in schema["properties"].items()}
    fields["model"] = st.sampled_from(["default", None])
    if "messages" in fields:
        fields["messages"] = st.lists(MESSAGE, min_size=1, max_size=3)
    if "n" in fields:
        fields["n"] = st.sampled_from([1, 2])
    if "max_tokens" in fields:
        fields["max_tokens"] = st.integers(1, 3)
        fields.pop("min_tokens", None)
    return fields


def changed(path: str, fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Body]:
    """Returns a valid request with some of its fields replaced."""
    names = st.lists(st.sampled_from(sorted(fields)), max_size=4, unique=True)
    changes = names.flatmap(lambda some: st.fixed_dictionaries({n: fields[n] for n in some}))
    return changes.map(lambda change: {**ROUTES[path][1], **change})


def bodies(path: str) -> st.SearchStrategy[bytes]:
    """Returns mostly good requests, ones with bad values or names, other JSON, and no JSON."""
    good = likely(path)
    bad = {name: values | JSON for name, values in good.items()}
    extra = st.dictionaries(st.text(max_size=10), JSON, max_size=1)
    objects = st.one_of(
        changed(path, good),
        changed(path, good),
        changed(path, bad),
        st.builds(lambda body, more: {**body, **more}, changed(path, bad), extra),
    )
    return st.one_of(
        objects.map(lambda value: json.dumps(value).encode()),
        objects.map(
            lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        ),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.binary(),
    )


def check(service: Service, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = service.http.post(path, content=body, headers=headers)
    assert response.status_code in (200, 400, 404), (body, response.text)
    if response.status_code == 200:
        kind = response.headers["content-type"]
        if kind == "application/json":
            response.json()
        elif path != GENERATE:
            assert response.text.endswith(END.get(path, DONE)), (body, response.text)
        return
    error = response.json()["error"]
    assert {*error, *response.json()} >= {"message", "type", "param", "code", "request_id"}
    assert len(response.content) < 4096, body


@pytest.mark.parametrize("path", ROUTES)
def test_any_body_gets_a_valid_answer_or_an_error_body(backend_service: Service, path: str) -> None:
    @settings(
        max_examples=EXAMPLES.get(backend_service.backend, FEW),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(bodies(path))
    def run(body: bytes) -> None:
        check(backend_service, path, body)

    run()
    expect_idle(backend_service)
    assert backend_service.is_ready()
