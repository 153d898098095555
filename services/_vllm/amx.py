"""Named to vLLM as its worker's extension, so that each process that computes on a CPU imports it.

vLLM takes its AMX kernels on a CPU that has AMX and does not ask Linux for leave to use them: the
process is then killed by SIGILL (seen with 0.29 and 0.32 on an Intel Xeon).
"""

import torch

torch.cpu._init_amx()


class AMX:
    """Adds nothing to the worker."""
