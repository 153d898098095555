"""LMDeploy's package in this process: the double, or its own with only its engines doubled."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DOUBLE = str(Path(__file__).parents[1] / "doubles" / "lmdeploy")
REAL = "LMDEPLOY_ITSELF"
"""The variable that chooses the package itself, which has to be installed."""
MODULES = ("lmdeploy", "lmdeploy_engines")


@contextmanager
def importable() -> Iterator[None]:
    """Afterwards the double is as absent as before."""
    if os.environ.get(REAL):
        # Behind the installed packages, so that only the engines are found there.
        sys.path.append(DOUBLE)
        _double_engines()
    else:
        sys.path.insert(0, DOUBLE)
    try:
        yield
    finally:
        sys.path.remove(DOUBLE)
        for name in list(sys.modules):
            if name.partition(".")[0] in MODULES:
                del sys.modules[name]


def _double_engines() -> None:
    """AsyncEngine builds them by these two methods; the rest of it stays its own."""
    import lmdeploy
    import lmdeploy_engines
    from lmdeploy.serve.core import AsyncEngine

    assert not lmdeploy.__file__.startswith(DOUBLE), "the package itself is not installed"

    def turbomind(self: Any, model_path: str, backend_config: Any, **_: Any) -> Any:
        return lmdeploy_engines.TurboMind(Path(model_path), backend_config)

    def pytorch(self: Any, model_path: str, backend_config: Any, **_: Any) -> Any:
        return lmdeploy_engines.PytorchEngine(Path(model_path), backend_config)

    AsyncEngine._build_turbomind = turbomind
    AsyncEngine._build_pytorch = pytorch
