"""Doubles of LMDeploy's two engines, behind the package's own AsyncEngine or a double of that."""

from .options import schema_of
from .pytorch import PytorchEngine
from .turbomind import TurboMind

ENGINES = {"turbomind": TurboMind, "pytorch": PytorchEngine}

__all__ = ["ENGINES", "PytorchEngine", "TurboMind", "schema_of"]
