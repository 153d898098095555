"""Each double has the signatures of its recorded contract, and TGI's the protocol of its document.

What a double does is proved by the contract suite, which runs over the adapter and the double.
"""

import ast
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import httpx
import pytest

from tests.doubles.tgi.tgi_double.schema import problem
from tests.service_process import REPOSITORY, interpreter, with_double
from tests.tgi.servers import LAUNCHER, Server, parts, server

CONTRACTS = REPOSITORY / "tests" / "doubles" / "contracts"
DESCRIBE = REPOSITORY / "tests" / "doubles_conformance" / "describe.py"
BACKENDS = {
    "mlc": "mlc_llm",
    "tensorrt_llm": "trtllm",
}
"""Backend -> its contract."""
TRTLLM_MODULES = {
    "tensorrt_llm:": ("LLM", "LLM.generate_async", "LLM.shutdown", "SamplingParams"),
    "tensorrt_llm.llmapi:": (
        "GuidedDecodingParams",
        "KvCacheConfig",
        "SchedulerConfig",
        "TorchLlmArgs",
        "TrtLlmArgs",
    ),
    "tensorrt_llm.executor:": ("RequestOutput.abort",),
}
"""Its contract names objects without their modules."""
NOT_DOUBLED = (
    "mlc_llm.interface.",
    "mlc_llm.protocol.openai_api_protocol:C",
    "mlc_llm.protocol.openai_api_protocol:StreamOptions",
    "mlc_llm.serve.data:TextData",
    "mlc_llm.serve.engine:AsyncC",
    "mlc_llm.serve.engine:AsyncMLCEngine._",
    "mlc_llm.serve.engine:AsyncMLCEngine.metrics",
    "mlc_llm.serve.engine_base:EngineMetrics",
)
"""How targets begin that no adapter uses, or that the double has elsewhere."""


def contract(backend: str) -> dict[str, dict[str, Any]]:
    """Returns the entries of a contract by their targets."""
    file = CONTRACTS / f"{BACKENDS[backend]}.json"
    objects: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"))["objects"]
    if backend != "tensorrt_llm":
        return objects
    for name in ("TorchLlmArgs", "TrtLlmArgs"):
        objects[name]["fields"] = objects["BaseLlmArgs"]["fields"] + objects[name]["fields"]
    return {m + name: objects[name] for m, names in TRTLLM_MODULES.items() for name in names}


ENTRIES = [
    pytest.param(backend, target, entry, id=target)
    for backend in BACKENDS
    for target, entry in contract(backend).items()
]


@cache
def described(backend: str) -> dict[str, Any]:
    """Describes a double in a process of its own, which importing an engine changes."""
    done = subprocess.run(
        [interpreter(backend), "-W", "ignore", DESCRIBE, *contract(backend)],
        cwd=REPOSITORY,
        env=with_double({**os.environ, "PYTHONPATH": str(REPOSITORY)}, backend),
        capture_output=True,
        check=True,
    )
    objects: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return objects


@pytest.mark.parametrize(("backend", "target", "entry"), ENTRIES)
def test_a_double_has_the_signature_of_the_contract(
    backend: str, target: str, entry: Mapping[str, Any]
) -> None:
    double = described(backend)[target]
    if double is None or target.startswith(NOT_DOUBLED):
        assert double is None
        assert target.startswith(NOT_DOUBLED)
    elif "members" in entry:
        assert double["members"] == list(entry["members"])
    elif "parameters" in entry:
        assert_same_parameters(double["parameters"], entry["parameters"])
        assert double["asynchronous"] == (entry.get("type", "def") == "async def")
        assert double["is_generator"] == entry.get("is_generator", double["is_generator"])
    elif "init" in entry:
        assert_same_parameters(double["parameters"], entry["init"]["parameters"])
    elif "fields" in entry:
        # A field that is declared twice counts where it stands first, with the later default.
        fields = {field["name"]: field for field in entry["fields"]}
        assert_same_parameters(double["parameters"], list(fields.values()))


def assert_same_parameters(
    double: Sequence[Mapping[str, str | None]], expected: Sequence[Mapping[str, str | None]]
) -> None:
    assert [p["name"] for p in double] == [str(p["name"]).lstrip("*") for p in expected]
    for own, recorded in zip(double, expected, strict=True):
        assert own["kind"] == recorded.get("kind", own["kind"]), own
        ours, theirs = literal(own["default"]), literal(recorded.get("default"))
        assert ours == theirs or UNKNOWN in (ours, theirs), own


UNKNOWN = object()


def literal(source: str | None) -> object:
    """Returns the value of a default, UNKNOWN when it is not a literal, ... without one."""
    if source is None:
        return ...
    try:
        return ast.literal_eval(source)
    except (ValueError, SyntaxError):
        return UNKNOWN


@pytest.fixture(scope="module")
def tgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Starts the double alone: in a service only the adapter reaches it."""
    with server(tmp_path_factory.mktemp("tgi")) as started:
        yield started


def generate(tgi: Server, **parameters: Any) -> list[dict[str, Any]]:
    """Returns the events of a stream, which has status 200 whatever is in it."""
    body = {"inputs": "Hello", "parameters": parameters}
    response = httpx.post(f"{tgi.url}/generate_stream", json=body, timeout=60)
    assert response.status_code == 200, response.text
    return [json.loads(part.removeprefix("data:")) for part in response.text.split("\n\n")[:-1]]


def test_tgi_answers_by_its_document(tgi: Server) -> None:
    assert problem("Info", httpx.get(f"{tgi.url}/info").json()) is None
    tokens = httpx.post(f"{tgi.url}/tokenize", json={"inputs": "Hello"}).json()
    assert not problem("TokenizeResponse", tokens)
    events = generate(tgi, **parts(max_new_tokens=5, top_n_tokens=2))
    assert not any(problem("StreamResponse", event) for event in events)
    assert [event["details"] is None for event in events] == [True] * (len(events) - 1) + [False]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temperature": 0}, "`temperature` must be strictly positive"),
        ({"top_p": 1}, "`top_p` must be > 0.0 and < 1.0"),
        ({"top_k": 0}, "`top_k` must be strictly positive"),
        ({"repetition_penalty": 0}, "`repetition_penalty` must be strictly positive"),
        ({"seed": 0}, "the OpenAPI document: parameters.seed"),
        ({"truncate": 5000}, "`truncate` must be strictly positive and less than 4095"),
        ({"max_new_tokens": 5000}, None),
        ({"grammar": {"type": "json", "value": {"type": "object"}}}, "grammar is not valid: "),
    ],
)
def test_tgi_refuses_a_bad_value_in_a_stream_that_succeeds(
    tgi: Server, parameters: dict[str, Any], message: str | None
) -> None:
    first, *others = generate(tgi, **parameters)
    if message is None:
        # Only the first 1024 of them are compared with the context.
        assert "error" not in first
        return
    assert not others
    assert problem("ErrorResponse", first) is None
    assert first["error_type"] == "validation"
    assert first["error"].startswith(f"Input validation error: {message}")


def test_tgi_refuses_an_unknown_name(tgi: Server) -> None:
    body = {"inputs": "a", "parameters": {"max_tokens": 5}}
    assert httpx.post(f"{tgi.url}/generate_stream", json=body).status_code == 422
    done = subprocess.run([LAUNCHER, "--max-total-token", "5"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "unexpected argument '--max-total-token' found" in done.stderr
