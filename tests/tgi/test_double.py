"""The double is TGI where it matters: its document, its checks, its words, its faults."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from common.models.model import DEMO_MODEL
from tests.doubles.tgi.tgi_double.schema import problem
from tests.tgi.servers import LAUNCHER, Server, family, parts, server

CHAT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
ANSWER = "The capital of France is Paris."
UNKNOWN = "Qxz fjord 9"
"""Where the model knows no answer, small changes show."""
STORY = "<|im_start|>user\nTell me a story.<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def tgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("tgi"), "--max-concurrent-requests", 2) as found:
        yield found


def generate(tgi: Server, inputs: str = CHAT, **parameters: Any) -> list[dict[str, Any]]:
    """The events of a stream, which comes with HTTP 200 whatever is in it."""
    body = {"inputs": inputs, "parameters": parameters}
    response = httpx.post(f"{tgi.url}/generate_stream", json=body, timeout=60)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return [json.loads(part.removeprefix("data:")) for part in response.text.split("\n\n")[:-1]]


def test_a_stream_is_an_event_per_token_and_the_last_says_how_it_ended(tgi: Server) -> None:
    events = generate(tgi, **parts(max_new_tokens=50, top_n_tokens=2))
    assert [event["index"] for event in events] == list(range(1, len(events) + 1))
    assert {event["details"] is None for event in events[:-1]} == {True}
    assert events[-1]["details"] == {
        "finish_reason": "eos_token",
        "generated_tokens": len(events),
        "input_length": 16,
        "seed": None,
    }
    assert events[-1]["generated_text"] == ANSWER
    assert [event["token"]["special"] for event in events] == [False] * (len(events) - 1) + [True]
    assert "".join(event["token"]["text"] for event in events) == f"{ANSWER}<|im_end|>"
    assert all(len(event["top_tokens"]) == 2 for event in events)
    assert not any(problem("StreamResponse", event) for event in events)


def test_its_information_is_by_the_document(tgi: Server) -> None:
    info = httpx.get(f"{tgi.url}/info").json()
    assert problem("Info", info) is None
    assert (info["max_total_tokens"], info["max_input_tokens"]) == (4096, 4095)


def test_it_adds_a_bos_to_one_that_is_there_and_then_answers_otherwise(tgi: Server) -> None:
    def ids(text: str) -> list[int]:
        tokens = httpx.post(f"{tgi.url}/tokenize", json={"inputs": text}).json()
        assert not problem("TokenizeResponse", tokens)
        return [token["id"] for token in tokens]

    assert ids(f"<|bos|>{CHAT}") == [0, *ids(CHAT)]
    once = generate(tgi, UNKNOWN, **parts(max_new_tokens=40))
    twice = generate(tgi, f"<|bos|>{UNKNOWN}", **parts(max_new_tokens=40))
    assert twice[-1]["details"]["input_length"] == once[-1]["details"]["input_length"] + 1
    assert twice[-1]["generated_text"] != once[-1]["generated_text"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temperature": 0}, "`temperature` must be strictly positive"),
        ({"top_p": 1}, "`top_p` must be > 0.0 and < 1.0"),
        ({"top_k": 0}, "`top_k` must be strictly positive"),
        ({"repetition_penalty": 0}, "`repetition_penalty` must be strictly positive"),
        ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
        ({"stop": ["a"] * 5}, "`stop` supports up to 4 stop sequences. Given: 5"),
        ({"top_n_tokens": 6}, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"),
        ({"seed": 0}, "the OpenAPI document: parameters.seed"),
        ({"truncate": 5000}, "`truncate` must be strictly positive and less than 4095"),
        ({"max_new_tokens": 4090, "truncate": None}, None),
    ],
)
def test_a_bad_value_is_an_error_event_in_a_stream_that_succeeds(
    tgi: Server, parameters: dict[str, Any], message: str | None
) -> None:
    events = generate(tgi, **parameters) if message else generate(tgi, "7" * 3500, **parameters)
    (event,) = events
    assert problem("ErrorResponse", event) is None
    assert event["error_type"] == "validation"
    expected = message or "`inputs` tokens + `max_new_tokens` must be <= 4096"
    assert event["error"].startswith(f"Input validation error: {expected}")


@pytest.mark.parametrize(
    "body",
    [
        {"parameters": {}},
        {"inputs": 5},
        {"inputs": "a", "parameters": {"max_tokens": 5}},
        {"inputs": "a", "parameters": {"temperature": "hot"}},
        {"inputs": "a", "parameters": {"max_new_tokens": 1.5}},
        {"inputs": "a", "parameters": {"grammar": {"type": "xml", "value": "a"}}},
        {"inputs": "a", "stream": True},
        {"inputs": "a", "add_special_tokens": False},
    ],
)
def test_a_body_of_another_shape_or_with_an_unknown_name_is_a_422(
    tgi: Server, body: dict[str, Any]
) -> None:
    response = httpx.post(f"{tgi.url}/generate_stream", json=body)
    assert response.status_code == 422
    assert response.text.startswith("Failed to deserialize the JSON body into the target type: ")


def test_without_details_the_last_event_does_not_say_that_it_is_the_last(tgi: Server) -> None:
    events = generate(tgi, max_new_tokens=5)
    assert events[-1]["details"] is None
    assert events[-1]["generated_text"] is not None


def test_with_parameters_it_is_greedy_unless_told_otherwise(tgi: Server) -> None:
    greedy = {generate(tgi, STORY, **parts())[-1]["generated_text"] for _ in range(2)}
    sampled = {
        generate(tgi, STORY, **parts(temperature=2.0, max_new_tokens=20))[-1]["generated_text"]
        for _ in range(8)
    }
    assert len(greedy) == 1
    assert len(sampled) > 1


def test_an_end_token_at_the_limit_is_told_as_the_limit(tgi: Server) -> None:
    count = len(generate(tgi, **parts(max_new_tokens=50)))
    last = generate(tgi, **parts(max_new_tokens=count))[-1]
    assert last["token"]["special"]
    assert last["details"]["finish_reason"] == "length"


def test_beyond_1024_tokens_it_begins_another_turn_of_as_many(tgi: Server) -> None:
    expression = f'"{"a" * 1100}"'
    grammar = {"type": "regex", "value": expression}
    events = generate(tgi, **parts(max_new_tokens=1030, grammar=grammar))
    assert len(events) > 1030
    text = "".join(event["token"]["text"] for event in events)
    assert text.count('"') > 1, "the document begins again"


def test_more_requests_than_it_takes_are_told_so(tgi: Server) -> None:
    body = {"inputs": STORY, "parameters": parts(max_new_tokens=180)}
    with httpx.stream("POST", f"{tgi.url}/generate_stream", json=body) as first:
        one = first.iter_raw()
        next(one)
        with httpx.stream("POST", f"{tgi.url}/generate_stream", json=body) as second:
            two = second.iter_raw()
            next(two)
            (event,) = generate(tgi)
    assert event == {"error": "Model is overloaded", "error_type": "overloaded"}


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        (["--max-total-token", "5"], {}, "unexpected argument '--max-total-token' found"),
        (["--dtype", "auto"], {}, "[possible values: float16, bfloat16]"),
        ([], {"DTYPE": "auto"}, "invalid value 'auto' for '--dtype <DTYPE>'"),
        (["--port", "many"], {}, "invalid value 'many' for '--port <PORT>'"),
        (["--port", "1", "--port", "2"], {}, "'--port <PORT>' cannot be used multiple times"),
    ],
)
def test_the_launcher_refuses_flags_as_the_real_one_does(
    flags: list[str], environment: dict[str, str], message: str
) -> None:
    result = subprocess.run(
        [LAUNCHER, *flags], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-input-tokens", "9", "--max-total-tokens", "9"], "must be < `max_total_tokens`(9)"),
        (["--dtype", "float16", "--quantize", "awq"], "cannot be used with"),
        (["--model-id", "/nowhere"], "no model at /nowhere"),
    ],
)
def test_the_launcher_checks_its_flags_together(flags: list[str], message: str) -> None:
    model = [] if "--model-id" in flags else ["--model-id", str(DEMO_MODEL)]
    result = subprocess.run([LAUNCHER, *model, *flags], capture_output=True, text=True)
    assert result.returncode == 1
    assert message in result.stdout


def test_a_shard_that_ends_takes_the_launcher_along(tmp_path: Path) -> None:
    with server(tmp_path) as found:
        processes = family(psutil.Process(found.process.pid))
        assert len({os.getpgid(process.pid) for process in processes}) == 3
        processes[1].kill()
        assert found.process.wait(10) == 1
        assert not any(process.is_running() for process in processes)
