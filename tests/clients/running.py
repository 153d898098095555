"""Runs the scripts of clients, each in its environment."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.clients import Client
from tests.service_process import REPOSITORY

LIMIT = 600.0
"""Seconds of one script."""
OFFLINE = {
    "DO_NOT_TRACK": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "PYTHONWARNINGS": "ignore",
}
"""What keeps clients from calling their makers, whom a test machine may not reach."""


@dataclass(frozen=True)
class Outcome:
    """What a script prints of one capability: whether nothing was raised, and what came."""

    ok: bool
    detail: str


def program(client: Client) -> Path:
    """Returns the interpreter that runs a client's script."""
    in_node = client.script.endswith(".mjs")
    folder = {"vllm": "vllm", "browser": "client-node"}.get(
        client.environment, f"client-{client.environment}"
    )
    path = installed(folder, "node" if in_node else "python", client.name)
    return Path(sys.executable) if client.environment == "browser" else path


def installed(folder: str, program: str, client: str) -> Path:
    """Returns a program of an environment. Without it, skips the test, or fails where all must be
    tested."""
    path = REPOSITORY / f".venv-{folder}" / "bin" / program
    if not path.exists():
        message = f"{client} is not installed: run scripts/clients"
        if os.environ.get("CI") or os.environ.get("LLM_TEST_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def command(client: Client) -> list[str | Path]:
    script = Path(client.script)
    if client.environment == "browser":
        return [program(client), "-m", "tests.clients.scripts.browser"]
    if script.suffix == ".mjs":
        # By its link beside node_modules, where its imports are looked for.
        linked = REPOSITORY / ".venv-client-node" / "scripts" / script
        return [program(client), "--preserve-symlinks", "--preserve-symlinks-main", linked]
    return [program(client), "-m", f"tests.clients.scripts.{script.stem}"]


def inherited_environment() -> dict[str, str]:
    """Returns this process's variables, but for one by which the hub's package asks no server."""
    return {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}


def run_client(client: Client, url: str, model: str, folder: Path) -> dict[str, Outcome]:
    """Returns what its script prints of each capability; it runs in `folder`, its home.

    Raises AssertionError with the end of its log when the script prints other capabilities.
    """
    home = {"HOME": str(folder), "LLM_USER_PATH": str(folder), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [*command(client), url, model],
        cwd=folder,
        env={**inherited_environment(), **OFFLINE, **home},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name":')]
    outcomes = {line["name"]: Outcome(line["ok"], line["detail"]) for line in lines}
    assert set(outcomes) == set(client.has), done.stdout[-2000:] + done.stderr[-4000:]
    return outcomes
