"""Chromium for the tests of pages, and the contrast of colours."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.service_process import REPOSITORY

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE = {"width": 360, "height": 740}


@contextmanager
def chromium() -> Iterator[Browser]:
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


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance, of `rgb(r, g, b)`."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
