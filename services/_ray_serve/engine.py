"""Ray's vLLM engine as our apps have it, in the replica's process (RAYLLM_VLLM_ENGINE_CLS)."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from ray.llm._internal.serve.core.configs.llm_config import DiskMultiplexConfig
from ray.llm._internal.serve.engines.vllm.vllm_engine import VLLMEngine

from services._ray_serve.settings import ADAPTER_ARGUMENT, ADAPTERS_VARIABLE

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
        if self.llm_config.engine_kwargs["pipeline_parallel_size"] > 1 and on_cpu():
            await self._engine_client.collective_rpc("receive_from_stage_before")
        for name, path in json.loads(os.environ[ADAPTERS_VARIABLE]).items():
            # Ray has no use for its number.
            adapter = DiskMultiplexConfig(
                model_id=name, local_path=path, max_total_tokens=None, lora_assigned_int_id=0
            )
            await self.resolve_lora(adapter)

    def completions(self, request: Any, raw_request_info: Any = None) -> Any:
        """Returns the stream of vLLM's answer, by the adapter that the request names."""
        adapter = (request.vllm_xargs or {}).pop(ADAPTER_ARGUMENT, None)
        if adapter is not None:
            request.model = adapter
        return super().completions(request, raw_request_info)

    def _start_async_llm_engine(self, args: Any, config: Any, group: Any) -> Any:
        from vllm.v1.executor.uniproc_executor import UniProcExecutor

        if on_cpu() and config.parallel_config.world_size == 1:
            config.parallel_config.distributed_executor_backend = UniProcExecutor
        return super()._start_async_llm_engine(args, config, group)


def on_cpu() -> bool:
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())
