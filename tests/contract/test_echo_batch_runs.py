"""A batch survives its service, and the commands of docs/batches.md run files of requests."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.contract.batch_client import completed, create, ended, request
from tests.limits import DEADLINE
from tests.service_process import REPOSITORY, Service, eventually, start_service

PAGE = (REPOSITORY / "docs" / "batches.md").read_text("utf-8")


def test_a_batch_survives_the_death_of_its_service(tmp_path: Path) -> None:
    """It needs services of its own: it kills the first."""
    settings: dict[str, Any] = {
        "batch_dir": str(tmp_path),
        "max_concurrency": 2,
        "engine_args": {"itl": 0.002},
    }
    with start_service("echo", **settings) as first:
        with openai.OpenAI(base_url=f"{first.url}/v1", api_key="none") as client:
            batch = create(client, *(request(f"n{i}", max_tokens=30) for i in range(60)))
            eventually(
                lambda: completed(client, batch.id) > 3,
                DEADLINE,
                "lines are answered",
            )
        kept = (tmp_path / f"{batch.id}.jsonl").read_bytes()
        os.killpg(first.process.pid, signal.SIGKILL)
    with (
        start_service("echo", **settings) as second,
        openai.OpenAI(base_url=f"{second.url}/v1", api_key="none") as client,
    ):
        again = ended(client, batch.id)
        assert (again.status, again.request_counts.completed) == ("completed", 60)
        whole = client.files.content(again.output_file_id).content
        assert [json.loads(line)["custom_id"] for line in whole.splitlines()] == [
            f"n{i}" for i in range(60)
        ]
        assert whole.startswith(kept[: kept.rindex(b"\n") + 1]), "what was answered stays"


def command(folder: Path, code: list[str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "LLM_API_KEY": "alice-key"}
    environment["PYTHONPATH"] = str(REPOSITORY)
    return subprocess.run(
        code, cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )


def test_the_commands_of_the_page_work(batch_service: Service, tmp_path: Path) -> None:
    page = PAGE.replace("http://localhost:3000", batch_service.url).replace('"none"', '"alice-key"')
    blocks = re.findall(r"```(sh|python)\n(.*?)```", page, re.DOTALL)
    printed = []
    for kind, code in blocks:
        words = ["sh", "-ec", code] if kind == "sh" else [sys.executable, "-c", code]
        done = command(tmp_path, words)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    again = command(tmp_path, ["sh", "-ec", blocks[1][1]])
    assert "3 of 3 lines answered, 1 of them with an error, 0.0 a second" in again.stderr
    lines = (tmp_path / "answers.jsonl").read_text("utf-8").splitlines()
    told = [(each["custom_id"], each["response"]["status_code"]) for each in map(json.loads, lines)]
    assert told == [("one", 200), ("two", 200), ("bad", 400)]
    assert printed[-1].startswith("completed BatchRequestCounts(completed=2, failed=1, total=3)")


@pytest.mark.parametrize(
    ("text", "url", "key", "message"),
    [
        ("{\n5", None, "alice-key", "2 of 2 lines are bad, nothing was run\nline 1: not JSON"),
        (json.dumps(request("a")), None, "wrong", "needs an API key: set LLM_API_KEY"),
        (json.dumps(request("a")), "http://127.0.0.1:9", "", "does not answer"),
    ],
)
def test_the_command_says_what_is_wrong_and_writes_nothing(
    batch_service: Service, tmp_path: Path, text: str, url: str | None, key: str, message: str
) -> None:
    (tmp_path / "requests.jsonl").write_text(text, "utf-8")
    words = ["requests.jsonl", "--out", "answers.jsonl", "--url", url or batch_service.url]
    run = ["env", f"LLM_API_KEY={key}", sys.executable, "-m", "common.batches", *words]
    done = command(tmp_path, run)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "answers.jsonl").exists()
