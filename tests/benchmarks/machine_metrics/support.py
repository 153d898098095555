"""The double of nvidia-ml-py, which is not found by its name unless a test says so."""

import importlib.util
from pathlib import Path
from types import ModuleType

NVML = Path(__file__).parent / "nvml"


def nvml_double() -> ModuleType:
    """Returns a new one each time."""
    spec = importlib.util.spec_from_file_location("pynvml", NVML / "pynvml.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
