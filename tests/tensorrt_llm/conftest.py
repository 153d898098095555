"""The double of TensorRT-LLM in the tests' own process."""

import os
import sys
import warnings
from collections.abc import Iterator

import pytest

from tests.service_process import REPOSITORY

# bentoml's own decorators warn, and here every warning is an error.
with warnings.catch_warnings(action="ignore"):
    import services.tensorrt_llm  # noqa: F401

DOUBLE = REPOSITORY / "tests" / "doubles" / "tensorrt_llm"
MODULES = {"tensorrt_llm", "xgrammar", "mpi4py"}


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(DOUBLE))
    monkeypatch.setenv("PYTHONPATH", f"{DOUBLE}{os.pathsep}{REPOSITORY}")
    monkeypatch.setenv("PATH", f"{DOUBLE / 'bin'}{os.pathsep}{os.environ['PATH']}")
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES]:
        del sys.modules[name]
