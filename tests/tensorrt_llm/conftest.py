"""The double of TensorRT-LLM in the tests' own process."""

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builder.support import Home
from tests.gpus import put_gpus
from tests.service_process import NVML, REPOSITORY
from tests.tensorrt_llm.builds import DOUBLE as BUILD_TOOLS

# bentoml's own decorators warn, and here every warning is an error.
with warnings.catch_warnings(action="ignore"):
    import services.tensorrt_llm  # noqa: F401

DOUBLE = REPOSITORY / "tests" / "doubles" / "tensorrt_llm"
MODULES = {"tensorrt_llm", "xgrammar", "mpi4py"}


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(DOUBLE))
    monkeypatch.setenv("PYTHONPATH", f"{DOUBLE}{os.pathsep}{REPOSITORY}")
    put_gpus(monkeypatch, "Double GPU, 8.0")
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES]:
        del sys.modules[name]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PATH", f"{BUILD_TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{BUILD_TOOLS / 'site'}{os.pathsep}{NVML}")
    return Home(tmp_path / "home", "build_scripts.trtllm")


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is here and TensorRT-LLM is not."""
    path = os.environ["PATH"].partition(os.pathsep)[2]
    monkeypatch.setenv("PATH", f"{BUILD_TOOLS / 'docker'}{os.pathsep}{path}")
