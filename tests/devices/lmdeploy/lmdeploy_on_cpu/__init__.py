"""LMDeploy's PyTorch engine on a CPU: its scheduler, cache, sampler and models are its own.

`OpsBackend` is the interface through which it takes in other makes of GPU: so it takes in this.
"""

from typing import Any


def choose_operators(selector: Any) -> None:
    """For every device, as all are called "cuda" here."""
    from .operators import CpuOperators

    selector._get_backend = lambda: CpuOperators


def skip_triton(checks: Any) -> None:
    """Its check compiles a kernel with Triton, and none runs here."""
    checks.TritonChecker.check = lambda self: None
