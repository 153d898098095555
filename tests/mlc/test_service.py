"""The service over MLC-LLM's double: what its users see when it cannot start, and when it dies."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.contract.support import CHAT, assert_error, body_for, post
from tests.mlc.builds import DEMO, write_build
from tests.refusals import refusal, refusals_before_start
from tests.service_process import start_service

STREAMS = 8


def test_without_a_compiled_model_the_command_is_told_before_anything_starts() -> None:
    (line,) = refusals_before_start("mlc", {})
    assert "setting 'engine_dir': needed" in line
    assert "compile one with: python -m build_scripts.mlc" in line


def test_a_library_that_cannot_be_loaded_ends_the_service(tmp_path: Path) -> None:
    build = write_build(tmp_path / "build")
    (build / "lib.so").write_text("this is no library")
    assert "MLC-LLM cannot load the model: " in refusal("mlc", engine_dir=build)


@pytest.mark.parametrize("thread", ["loop", "stream"])
def test_a_dead_engine_is_told_to_every_client_and_to_the_probes(thread: str) -> None:
    body = body_for(CHAT, "Count from 1 to 40.", stream=True, max_tokens=3000, ignore_eos=True)
    with start_service(
        "mlc", engine_dir=DEMO, double_die_after=400, double_die_in=thread
    ) as service:

        def stream() -> dict[str, str]:
            with httpx.stream("POST", service.url + CHAT, json=body, timeout=30) as response:
                *_, last = [line for line in response.iter_lines() if line]
            error: dict[str, str] = json.loads(last.removeprefix("data: "))["error"]
            return error

        with ThreadPoolExecutor(STREAMS) as pool:
            errors = list(pool.map(lambda _: stream(), range(STREAMS)))
        assert {error["code"] for error in errors} == {"engine_dead"}
        for probe in ("/livez", "/readyz"):
            assert_error(service.http.get(probe), 503, "engine_dead")
        assert_error(post(service, CHAT), 503, "engine_dead")
        assert "was told to end" in service.log_text()
