"""A quantization that is cut off leaves no checkpoint and no process."""

import signal
from pathlib import Path

import psutil
import pytest

from tests.builder.support import Home, gone
from tests.service_process import eventually

SECONDS = 20.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_leaves_nothing_that_a_service_would_find(
    home: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """`home` is for its check of the tools only."""
    maker = Home(tmp_path, "build_scripts.quantize")
    with maker.start("--scheme", "fp8", "--no-quality") as builder:
        assert builder.stdout is not None
        while not builder.stdout.readline().startswith("Loading weights"):
            assert builder.poll() is None
        tools = psutil.Process(builder.pid).children(recursive=True)
        assert any("with_llmcompressor" in " ".join(tool.cmdline()) for tool in tools)
        builder.send_signal(number)
        builder.communicate(timeout=SECONDS)
    eventually(lambda: gone(tools), SECONDS, "the tool has ended")
    assert not [name for name in maker.left() if name.startswith("models")]
