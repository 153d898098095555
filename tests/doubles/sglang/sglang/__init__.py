"""A double of SGLang 0.5.23's Engine that runs the demo model.

Its parameters are those of tests/doubles/contracts/sglang.json. What goes on between its processes,
its streams, its refusals and its ways to die are SGLang's; the scheduler computes on the CPU.
"""

from .version import __version__

__all__ = ["__version__"]
