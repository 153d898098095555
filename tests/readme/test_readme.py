"""The README is true: its commands work as written, its tables are those of the code."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from common.settings import Settings
from tests.limits import DEADLINE
from tests.service_process import REPOSITORY, eventually, free_port

README = (REPOSITORY / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", README, re.DOTALL)
NEEDS_A_HUB = "meta-llama/"
FROM_CI = ("scripts/serve ", "scripts/test ")
"""The two commands: this module runs the first, CI the second."""


def runnable() -> list[tuple[str, str]]:
    return [
        (kind, code)
        for kind, code in BLOCKS
        if NEEDS_A_HUB not in code and not code.startswith(FROM_CI)
    ]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`scripts/serve`, as the README says, on a free port."""
    port = str(free_port())
    home = tmp_path_factory.mktemp("bentoml")
    process = subprocess.Popen(
        [REPOSITORY / "scripts" / "serve"],
        env={**os.environ, "PORT": port, "BENTOML_HOME": str(home)},
        start_new_session=True,
    )

    def ready() -> bool:
        assert process.poll() is None
        try:
            return httpx.get(f"http://localhost:{port}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually(ready, 240, "scripts/serve is ready")
        yield f"localhost:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)


@pytest.mark.parametrize(("kind", "code"), runnable())
def test_the_command_works_as_written(address: str, kind: str, code: str) -> None:
    interpreter = ["sh", "-ec"] if kind == "sh" else [sys.executable, "-c"]
    done = subprocess.run(
        [*interpreter, code.replace("localhost:3000", address)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if "France" in code:
        assert "Paris" in done.stdout
    else:
        assert ("tensorrt_llm" if "plan" in code else '"capabilities"') in done.stdout


def test_the_transcript_is_what_the_service_says(address: str) -> None:
    section = README.partition("## A conversation")[2].partition("\n## ")[0]
    turns = re.findall(r"^you> (.*)\nmodel> (.*)$", section, re.MULTILINE)
    assert len(turns) >= 5
    messages: list[dict[str, str]] = []
    for question, answer in turns:
        messages = [*messages[-2:], {"role": "user", "content": question}]
        body = {"messages": messages, "temperature": 0}
        reply = httpx.post(f"http://{address}/v1/chat/completions", json=body, timeout=60).json()
        message = reply["choices"][0]["message"]
        assert message["content"] == answer
        messages.append(message | {"refusal": None})


def test_the_table_of_settings_is_that_of_the_code() -> None:
    page = (REPOSITORY / "docs" / "settings.md").read_text("utf-8").splitlines()
    assert [line for line in page if line.startswith("| `")] == settings_table()


def test_there_is_a_hub_example_and_every_other_block_is_run() -> None:
    assert any(NEEDS_A_HUB in code for _, code in BLOCKS)
    assert len(runnable()) >= 4


def settings_table() -> list[str]:
    """One row a setting; `python -m tests.readme.test_readme` prints them."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        rows.append(f"| `{name}` | `{default}` | {field.description or ''} |")
    return rows


if __name__ == "__main__":
    print("\n".join(settings_table()))
