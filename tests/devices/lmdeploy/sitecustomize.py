"""LMDeploy on a CPU, for every Python that has this folder on its path.

Its PyTorch engine is the real one: only `torch.cuda` and the operators that it has as CUDA kernels
are others (lmdeploy_on_cpu). TurboMind is compiled for CUDA: turbomind_double stands in for it.
"""

import wrapt

for hook, module in {
    "lmdeploy_on_cpu.cuda:install": "torch",
    "lmdeploy_on_cpu:choose_operators": "lmdeploy.pytorch.backends.selector",
    "lmdeploy_on_cpu:skip_triton": "lmdeploy.pytorch.check_env.triton",
    "turbomind_double:install": "lmdeploy.serve.core.async_engine",
}.items():
    wrapt.register_post_import_hook(hook, module)
