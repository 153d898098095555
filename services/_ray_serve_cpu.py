"""Ray's vLLM engine on a CPU, in the replica's process."""

from pathlib import Path
from typing import Any

from ray.llm._internal.serve.engines.vllm.vllm_engine import VLLMEngine


class CPUEngine(VLLMEngine):
    """EngineCore runs the model itself.

    Ray insists on a worker process, for which EngineCore waits in a spin: it takes the core of the
    processes that carry the stream.
    """

    async def start(self) -> None:
        callback = self.llm_config.get_or_create_callback()
        # A task that imports all of vLLM once more, to download nothing.
        callback.ctx.run_init_node = not Path(
            self.llm_config.get_engine_config().actual_hf_model_id
        ).is_dir()
        await super().start()

    def _start_async_llm_engine(self, args: Any, config: Any, group: Any) -> Any:
        from vllm.v1.executor.uniproc_executor import UniProcExecutor

        if config.parallel_config.world_size == 1:
            config.parallel_config.distributed_executor_backend = UniProcExecutor
        return super()._start_async_llm_engine(args, config, group)
