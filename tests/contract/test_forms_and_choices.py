"""Answers of a given form, and fields that few engines honour: they work, or are refused."""

import json
import re
from typing import Any

import pytest

from tests.contract.support import (
    CHAT,
    Body,
    answer,
    assert_error,
    chat,
    model_card,
    pieces,
    post,
    stream,
    text_of,
    tokenize,
    user,
)
from tests.contract.test_capabilities import SCHEMA, require
from tests.service_process import Service

LONG = "Count from 1 to 40."
CITIES = ["Paris", 'the "eternal" city\n', "Köln"]
GRAMMAR = 'root ::= "<" ("Rome" | "Oslo") ">"'
# field, a value that changes something, its neutral values
FIELDS: list[tuple[str, Any, list[Any]]] = [
    ("regex", "(Rome|Oslo)!", [None]),
    ("grammar", GRAMMAR, [None]),
    ("allowed_token_ids", [20, 21], [[], None]),
    ("bad_words", ["cat"], [[], None]),
    ("cache_salt", "mine", [None]),
    ("priority", 1, [0, None]),
]


@pytest.fixture
def capabilities(backend_service: Service) -> Body:
    fields: Body = model_card(backend_service)["capabilities"]
    return fields


@pytest.mark.parametrize(("name", "value", "neutral"), FIELDS, ids=[row[0] for row in FIELDS])
def test_a_field_works_or_is_refused_with_its_reason(
    backend_service: Service, capabilities: Body, name: str, value: Any, neutral: list[Any]
) -> None:
    response = post(backend_service, CHAT, **{"max_tokens": 3, name: value})
    if capabilities[name] is True:
        assert response.status_code == 200, response.text
    else:
        message = assert_error(response, 400, "unsupported_parameter", name)
        assert capabilities[name] in message
    for same in neutral:
        response = post(backend_service, CHAT, **{"max_tokens": 3, name: same})
        assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_object", "schema": SCHEMA}},
        {"response_format": {"type": "json_object", "value": SCHEMA}},
        {"structured_outputs": {"json": SCHEMA}},
        {"guided_json": json.dumps(SCHEMA)},
        {"json_schema": SCHEMA},
    ],
)
def test_a_schema_is_followed_in_each_spelling(
    backend_service: Service, capabilities: Body, fields: Body
) -> None:
    require(capabilities, "response_format")
    value = chat(backend_service, user(LONG), max_tokens=200, **fields)
    assert json.loads(text_of(value)) in ({"capital": "Paris"}, {"capital": "Rome"})


@pytest.mark.parametrize("spelling", ["structured_outputs", "guided_choice"])
def test_the_answer_is_one_of_the_choices(
    backend_service: Service, capabilities: Body, spelling: str
) -> None:
    wanted: Any = CITIES[:1] + CITIES[2:]
    if spelling == "structured_outputs":
        wanted = {"choice": wanted}
    if capabilities["grammar"] is not True and capabilities["response_format"] is not True:
        param = "structured_outputs.choice" if spelling == "structured_outputs" else spelling
        response = post(backend_service, CHAT, **{spelling: wanted})
        assert_error(response, 400, "unsupported_parameter", param)
        return
    fields: Body = {"temperature": 0, "max_tokens": 60, spelling: wanted}
    text = text_of(answer(backend_service, CHAT, LONG, **fields))
    assert text in CITIES
    assert pieces(stream(backend_service, CHAT, LONG, **fields)) == text


def test_a_choice_may_need_escapes(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "grammar")
    value = chat(backend_service, user(LONG), max_tokens=60, guided_choice=[CITIES[1]])
    assert text_of(value) == CITIES[1]


@pytest.mark.parametrize("spelling", ["regex", "guided_regex", "structured_outputs"])
def test_a_regular_expression_is_followed(
    backend_service: Service, capabilities: Body, spelling: str
) -> None:
    require(capabilities, "regex")
    pattern: Any = "(Rome|Oslo)-[0-9]{2}"
    wanted = {"regex": pattern} if spelling == "structured_outputs" else pattern
    value = chat(backend_service, user(LONG), max_tokens=60, **{spelling: wanted})
    assert re.fullmatch(pattern, text_of(value))
    assert value["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("spelling", ["grammar", "ebnf", "guided_grammar", "structured_outputs"])
def test_a_grammar_is_followed(backend_service: Service, capabilities: Body, spelling: str) -> None:
    require(capabilities, "grammar")
    wanted: Any = {"grammar": GRAMMAR} if spelling == "structured_outputs" else GRAMMAR
    value = chat(backend_service, user(LONG), max_tokens=60, **{spelling: wanted})
    assert text_of(value) in ("<Rome>", "<Oslo>")


@pytest.mark.parametrize(
    ("field", "form"),
    [
        ("regex", "(unclosed"),
        ("grammar", "no ::= grammar ::="),
        ("grammar", "<|im_end|>"),
        ("grammar", " "),
        ("grammar", "https://[::1"),
    ],
)
def test_a_form_that_is_none_is_refused(
    backend_service: Service, capabilities: Body, field: str, form: str
) -> None:
    require(capabilities, field)
    response = post(backend_service, CHAT, max_tokens=3, **{field: form})
    assert_error(response, 400, "invalid_value", field)


def test_a_form_that_no_allowed_token_continues_is_refused(
    backend_service: Service, capabilities: Body
) -> None:
    require(capabilities, "regex")
    require(capabilities, "allowed_token_ids")
    (token,) = tokenize(backend_service, prompt="7", add_special_tokens=False)
    response = post(backend_service, CHAT, regex="[a-c]{3}", allowed_token_ids=[token])
    assert_error(response, 400, "invalid_value", "allowed_token_ids")


def test_only_allowed_tokens_come(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "allowed_token_ids")
    allowed = {tokenize(backend_service, prompt=d, add_special_tokens=False)[0] for d in "579"}
    fields: Body = {"allowed_token_ids": sorted(allowed), "return_token_ids": True}
    value = answer(backend_service, CHAT, LONG, max_tokens=8, temperature=2, **fields)
    assert set(value["choices"][0]["token_ids"]) <= allowed
    response = post(backend_service, CHAT, allowed_token_ids=[10**6])
    assert_error(response, 400, "invalid_value", "allowed_token_ids")


def test_bad_words_do_not_come(backend_service: Service, capabilities: Body) -> None:
    require(capabilities, "bad_words")
    question = user("What is the capital of France?")
    plain = text_of(chat(backend_service, question, max_tokens=30))
    words = [word for word in re.findall(r"\w+", plain) if len(word) > 3]
    value = text_of(chat(backend_service, question, max_tokens=30, bad_words=words))
    assert not set(re.findall(r"\w+", value)) & set(words)
    assert_error(post(backend_service, CHAT, bad_words=[""]), 400, "invalid_value", "bad_words[0]")
