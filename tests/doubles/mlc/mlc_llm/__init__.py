"""A double of MLC-LLM (git 79d603f0): its engine for Python, with the demo model inside.

DOUBLE_DIE_AFTER: tokens after which a thread of the engine ends with an error.
DOUBLE_DIE_IN: which, "loop" (default) or "stream".
DOUBLE_NO_DEVICE: there is no device to be found.
"""

from .serve import AsyncMLCEngine

__all__ = ["AsyncMLCEngine", "__version__"]
__version__ = "0.20.0.dev0"
