"""A double of TurboMind behind the package's own AsyncEngine."""

from pathlib import Path
from typing import Any

from .turbomind import TurboMind


def install(async_engine: Any) -> None:
    def build(self: Any, model_path: str, backend_config: Any, **_: Any) -> TurboMind:
        return TurboMind(Path(model_path), backend_config)

    async_engine.AsyncEngine._build_turbomind = build
