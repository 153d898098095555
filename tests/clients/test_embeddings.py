"""Clients get the vectors that the service makes: openai asks for base64, LangChain for floats."""

import json
import os
import subprocess

import pytest

from tests.clients.clients import CLIENTS
from tests.clients.running import OFFLINE, program
from tests.conftest import EchoFactory
from tests.service_process import REPOSITORY

TEXTS = ["What is the capital of France?", "Hello"]

Vectors = list[list[float]]


@pytest.fixture(scope="module")
def read(echo_service: EchoFactory) -> dict[str, Vectors]:
    """Returns the vectors that each client reads, and those of the service itself."""
    service = echo_service(task="embed")
    (client,) = [client for client in CLIENTS if client.script == "langchain_chat.py"]
    done = subprocess.run(
        [program(client), "-m", "tests.clients.scripts.embeddings", service.url, *TEXTS],
        env={**os.environ, **OFFLINE, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    values: dict[str, Vectors] = json.loads(done.stdout.splitlines()[-1])
    answer = service.http.post("/v1/embeddings", json={"input": TEXTS}).json()
    return {**values, "service": [entry["embedding"] for entry in answer["data"]]}


@pytest.mark.parametrize(
    "client", ["openai", "openai, as floats", "langchain", "langchain, a query"]
)
def test_a_client_reads_the_vectors_of_the_service(read: dict[str, Vectors], client: str) -> None:
    for vector, expected in zip(read[client], read["service"], strict=True):
        assert vector == pytest.approx(expected, rel=1e-6, abs=1e-6)
