"""The service before a TGI that runs elsewhere."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.models.model import DEMO_MODEL
from tests.contract.support import CHAT, answer, assert_error, body_for, post
from tests.limits import DEADLINE
from tests.refusals import refusal
from tests.service_process import Service, eventually, start_service
from tests.tgi.servers import Server, server


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path, "--max-concurrent-requests", 4, step_seconds=0.02) as started:
        yield started


def statuses(service: Service, count: int) -> list[int]:
    body = body_for(CHAT, "Tell me a story.", max_tokens=100)
    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(service.http.post, CHAT, json=body) for _ in range(count)]
        return [one.result().status_code for one in asked]


def test_a_remote_server_may_go_and_come_back_and_is_never_stopped(remote: Server) -> None:
    with start_service("tgi", engine_url=f"{remote.url}/", max_concurrency=8) as service:
        assert answer(service, CHAT)["choices"][0]["finish_reason"] == "stop"
        assert "max_concurrency is 8" in service.log_text()
        codes = statuses(service, 8)
        assert sorted(set(codes)) == [200, 429]
        remote.stop()
        assert_error(post(service, CHAT), 503, "engine_dead")
        eventually(lambda: not service.is_ready(), DEADLINE, "it is not ready")

        def told_alive() -> bool:
            alive = service.http.get("/livez")
            assert alive.status_code == 200
            return "does not answer" in alive.json().get("reason", "")

        eventually(told_alive, DEADLINE, "/livez says why it is not ready")
        remote.start()
        eventually(service.is_ready, DEADLINE, "it is back")
        assert post(service, CHAT).status_code == 200
    assert remote.process.poll() is None


def test_an_address_where_nothing_answers_is_told_with_the_command() -> None:
    line = refusal("tgi", engine_url="http://127.0.0.1:9", max_model_len=512)
    assert "setting 'engine_url': no TGI answers at 'http://127.0.0.1:9'" in line
    assert "docker run --gpus all" in line
    assert "--max-total-tokens 512" in line


def test_a_server_for_shorter_answers_is_refused(tmp_path: Path) -> None:
    with server(tmp_path, "--max-total-tokens", 100) as remote:
        line = refusal("tgi", engine_url=remote.url)
        assert "'max_model_len': 4096 is more than the 100 tokens of TGI" in line
        with start_service("tgi", engine_url=remote.url, max_model_len=100) as service:
            assert post(service, CHAT).status_code == 200


def test_a_server_of_another_model_is_refused(remote: Server, tmp_path: Path) -> None:
    other = shutil.copytree(DEMO_MODEL, tmp_path / "other")
    written = (other / "tokenizer.json").read_text("utf-8")
    (other / "tokenizer.json").write_text(written.replace("<|im_end|>", "</s>"), "utf-8")
    line = refusal("tgi", engine_url=remote.url, model=other)
    assert "has another tokenizer than" in line


def test_what_is_no_tgi_is_refused() -> None:
    with start_service("echo") as echo:
        line = refusal("tgi", engine_url=echo.url)
    assert line.endswith("/info does not answer as TGI does: HTTP 404")
