"""A synthetic study, its report, and a browser that shows it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from benchmarks.report.__main__ import main
from tests.benchmarks.report.synthetic import study
from tests.service_process import REPOSITORY

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = study(tmp_path_factory.mktemp("study"), users=(10, 100))
    return study(folder, backends=("vllm", "echo"), users=(10,), system_prompt="Be brief.")


@pytest.fixture(scope="session")
def page(studied: Path) -> Path:
    """report.html."""
    assert main([str(studied)]) == 0
    return studied / "report" / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """While Playwright is there its event loop runs, and no asynchronous test can."""
    completed = subprocess.run(
        [REPOSITORY / "scripts" / "chromium"], capture_output=True, text=True
    )
    if completed.returncode:
        if os.environ.get("CI") or os.environ.get("LLM_TEST_ALL"):
            pytest.fail(completed.stderr)
        pytest.skip(completed.stderr)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=completed.stdout.strip(), args=FLAGS)
        yield started
        started.close()
