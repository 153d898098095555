"""A quantization that is cut off leaves no checkpoint and no process."""

from pathlib import Path

import psutil

from tests.builder.support import Home, gone
from tests.service_process import eventually

SECONDS = 20.0


def test_it_leaves_nothing_that_a_service_would_find(home: Path, tmp_path: Path) -> None:
    """Killed, it cannot even end its tool; tests/builder tries each signal with another tool.

    `home` is for its check of the tools only.
    """
    maker = Home(tmp_path, "build_scripts.quantize")
    with maker.start("--scheme", "fp8", "--no-quality") as builder:
        assert builder.stdout is not None
        while not builder.stdout.readline().startswith("Loading weights"):
            assert builder.poll() is None
        tools = psutil.Process(builder.pid).children(recursive=True)
        assert any("with_llmcompressor" in " ".join(tool.cmdline()) for tool in tools)
        builder.kill()
        builder.communicate(timeout=SECONDS)
    eventually(lambda: gone(tools), SECONDS, "the tool has ended")
    assert not [name for name in maker.left() if name.startswith("models")]
