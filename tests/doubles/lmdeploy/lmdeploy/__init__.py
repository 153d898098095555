"""A double of LMDeploy 0.18.0: its public classes over the demo model, where it cannot run."""

from .messages import GenerationConfig, PytorchEngineConfig, TurbomindEngineConfig
from .tokenizer import Tokenizer
from .version import __version__

__all__ = [
    "GenerationConfig",
    "PytorchEngineConfig",
    "Tokenizer",
    "TurbomindEngineConfig",
    "__version__",
]
