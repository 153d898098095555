"""Named to vLLM as its worker's extension, so that each process that computes on a CPU imports it.

vLLM 0.29 takes its AMX kernels on a CPU that has AMX and does not ask Linux for leave to use them:
without it the process is killed by SIGILL.
"""

import torch

torch.cpu._init_amx()


class AMX:
    """Adds nothing to the worker."""
