"""Clients that know `reasoning_content` get the reasoning by it, and all get the answer alone."""

import json
import os
import subprocess

import pytest

from tests.clients.clients import CLIENTS
from tests.clients.running import OFFLINE, program
from tests.conftest import EchoFactory
from tests.service_process import REPOSITORY

THOUGHT, SAID = "2 and 2 are 4.", "It is 4."
TEXT = f"<think>{THOUGHT}</think>{SAID}"


@pytest.fixture(scope="module")
def read(
    echo_service: EchoFactory, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str | None]]:
    """Returns the reasoning and the answer that each client reads."""
    template = tmp_path_factory.mktemp("template") / "last.jinja"
    template.write_text("{# <think> #}{{ messages[-1].content }}")
    service = echo_service(chat_template=str(template), reasoning_field="both")
    ids = service.http.post("/tokenize", json={"prompt": TEXT, "add_special_tokens": False})
    (client,) = [client for client in CLIENTS if client.script == "litellm_client.py"]
    done = subprocess.run(
        [program(client), "-m", "tests.clients.scripts.reasoning", service.url, TEXT,
         str(ids.json()["count"])],
        env={**os.environ, **OFFLINE, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    values: dict[str, list[str | None]] = json.loads(done.stdout.splitlines()[-1])
    return values


@pytest.mark.parametrize("streamed", ["", ", streamed"])
@pytest.mark.parametrize("client", ["openai", "litellm"])
def test_a_client_reads_the_reasoning_beside_the_answer(
    read: dict[str, list[str | None]], client: str, streamed: str
) -> None:
    assert read[client + streamed] == [THOUGHT, SAID]


@pytest.mark.parametrize("streamed", ["", ", streamed"])
def test_a_client_that_knows_no_reasoning_reads_the_answer_alone(
    read: dict[str, list[str | None]], streamed: str
) -> None:
    assert read["langchain" + streamed] == [None, SAID]
