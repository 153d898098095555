"""Ray's vLLM engine as our apps have it, in the replica's process (RAYLLM_VLLM_ENGINE_CLS)."""

import logging
from pathlib import Path
from typing import Any

from ray.llm._internal.serve.engines.vllm.vllm_engine import VLLMEngine

COMPLETIONS = "vllm.entrypoints.openai.completion.serving"
"""The logger that has a traceback, with what was rejected, for each request that vLLM refuses."""


class ReplicaEngine(VLLMEngine):
    """Ray's engine, whose EngineCore runs the model itself on a CPU.

    Ray insists on a worker process, for which EngineCore waits in a spin that takes the core of the
    processes that carry the streams.
    """

    async def start(self) -> None:
        logging.getLogger(COMPLETIONS).setLevel(logging.CRITICAL)
        config = self.llm_config.get_engine_config()
        if Path(config.actual_hf_model_id).is_dir():
            # A task that imports all of vLLM once more, to download nothing.
            self.llm_config.get_or_create_callback().ctx.run_init_node = False
        await super().start()

    def _start_async_llm_engine(self, args: Any, config: Any, group: Any) -> Any:
        from vllm.platforms import current_platform
        from vllm.v1.executor.uniproc_executor import UniProcExecutor

        if current_platform.is_cpu() and config.parallel_config.world_size == 1:
            config.parallel_config.distributed_executor_backend = UniProcExecutor
        return super()._start_async_llm_engine(args, config, group)
