"""The backends of this folder: their names, their engines, and whether they can run here."""

import importlib
import importlib.util
import shutil
import warnings
from pathlib import Path

from common.engine import Engine


def backends() -> list[str]:
    """Returns the names of the backends: the modules of this folder."""
    here = Path(__file__).parent
    return sorted(file.stem for file in here.glob("*.py") if not file.stem.startswith("_"))


def load(backend: str) -> tuple[str, type[Engine]]:
    """Returns what `bentoml serve` is given, and the engine class behind it; imports no engine."""
    with warnings.catch_warnings(action="ignore"):
        from common.service.bento_service import LLMService

        module = importlib.import_module(f"services.{backend}")
    ((name, service),) = (
        (name, value) for name, value in vars(module).items() if isinstance(value, LLMService)
    )
    return f"services.{backend}:{name}", service.engine


def installed(engine: type[Engine]) -> bool:
    """Returns whether the package and the program that it needs are there."""
    if engine.package is not None and importlib.util.find_spec(engine.package) is None:
        return False
    return engine.binary is None or shutil.which(engine.binary) is not None
