"""A synthetic study, its report, and a browser that shows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from benchmarks.report.__main__ import main
from tests.benchmarks.report.synthetic import study
from tests.browser import chromium


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = study(tmp_path_factory.mktemp("study"), users=(10, 100))
    return study(folder, backends=("vllm", "sglang"), users=(10,), system_prompt="Be brief.")


@pytest.fixture(scope="session")
def page(studied: Path) -> Path:
    """report.html."""
    assert main([str(studied)]) == 0
    return studied / "report" / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started
