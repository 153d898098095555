"""Named to vLLM as its worker's extension, so that each process that computes on a CPU imports it.

vLLM takes its AMX kernels on a CPU that has AMX and does not ask Linux for leave to use them: the
process is then killed by SIGILL (seen with 0.29 and 0.32 on an Intel Xeon).
"""

from typing import Any

import torch

torch.cpu._init_amx()


class CPUWorker:
    """What a worker of vLLM can do more."""

    model_runner: Any

    def receive_from_stage_before(self) -> None:
        """Make room for what another stage of the model sends: vLLM makes it when it warms a model
        up, which it leaves out on a CPU where nothing is compiled, and then fails (0.32)."""
        from vllm.distributed.parallel_state import get_pp_group

        runner = self.model_runner
        if not get_pp_group().is_first_rank and runner.intermediate_tensors is None:
            runner.intermediate_tensors = runner.model.make_empty_intermediate_tensors(
                batch_size=runner.max_num_tokens,
                dtype=runner.model_config.dtype,
                device=runner.device,
            )
