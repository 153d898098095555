"""GPUs that are not there, by the double of nvidia-ml-py in tests/doubles/nvml."""

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.service_process import NVML


def nvml_double() -> ModuleType:
    """Returns a new one each time."""
    spec = importlib.util.spec_from_file_location("pynvml", NVML / "pynvml.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put_gpus(monkeypatch: pytest.MonkeyPatch, *gpus: str) -> ModuleType:
    """Lets this process see the GPUs, each written as the double says; returns the double."""
    module = nvml_double()
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.setenv("DOUBLE_GPUS", "; ".join(gpus))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return module
