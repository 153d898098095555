"""A tritonserver that runs elsewhere: used as it is, also after it has gone and come back."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.support import chat, model_card, text_of, user
from tests.limits import AT_ONCE
from tests.refusals import refusal
from tests.service_process import Service, eventually, start_service
from tests.triton.support import RunningServer, Watchers, repository, running_server

SECONDS = 30.0


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(repository(tmp_path / "models")) as server:
        yield server


@pytest.fixture
def service(elsewhere: RunningServer) -> Iterator[Service]:
    with start_service("triton", engine_url=elsewhere.url) as service:
        yield service


async def test_it_answers_is_missed_and_is_found_again(
    service: Service, elsewhere: RunningServer
) -> None:
    question = user("What is the capital of France?")
    assert "Paris" in text_of(chat(service, question))
    assert model_card(service)["backend_version"] == "2.51.0"
    watchers = await Watchers(service).begin()
    died = time.monotonic()
    elsewhere.kill()
    for stream in await asyncio.gather(*watchers):
        assert stream.last["error"]["code"] == "engine_dead"
        assert stream.at - died < AT_ONCE
    eventually(lambda: not service.is_ready(), SECONDS, "the server is missed")

    def told_alive() -> bool:
        alive = service.http.get("/livez")
        assert alive.status_code == 200
        return "does not answer" in alive.json().get("reason", "")

    eventually(told_alive, SECONDS, "/livez says why it is not ready")
    with running_server(elsewhere.root, elsewhere.port):
        eventually(service.is_ready, SECONDS, "the server is found again")
        assert "Paris" in text_of(chat(service, question))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("name", "name"), "has no model 'tensorrt_llm' that is ready"),
        (('"seed"', '"sead"'), "has no tensor seed"),
        (("decoupled: true", "decoupled: false"), "does not stream"),
    ],
    ids=["no model", "no tensor", "no stream"],
)
def test_another_model_is_refused(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    root = repository(tmp_path / "models")
    file = root / "tensorrt_llm" / "config.pbtxt"
    file.write_text(file.read_text().replace(*change))
    with ExitStack() as stack:
        if change == ("name", "name"):
            file.unlink()
            file.parent.joinpath("1").rmdir()
            file.parent.rmdir()
        server = stack.enter_context(running_server(root))
        line = refusal("triton", engine_url=server.url)
    assert line.startswith("error: setting 'engine_url'")
    assert expected in line
