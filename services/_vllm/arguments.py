"""The service's settings as vLLM's engine arguments; imports no vLLM."""

from collections.abc import Mapping
from typing import Any

from common.models.model import Model
from common.settings import Settings

ENVIRONMENT: Mapping[str, str] = {
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
MAX_LOGPROBS = 20
CPU_MAX_SEQUENCES = 256
CPU_KV_CACHE_BYTES = 2**30


def engine_arguments(settings: Settings, model: Model) -> dict[str, Any]:
    """Returns fields of AsyncEngineArgs, all of them JSON, without the model's name and path."""
    values: dict[str, Any] = {
        "dtype": settings.dtype,
        "quantization": model.load.engine_name,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "max_model_len": model.max_model_len,
        "max_num_seqs": settings.max_concurrency,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        # None is on wherever the model allows it; True would insist.
        "enable_prefix_caching": None if settings.prefix_caching else False,
        "enable_chunked_prefill": None if settings.chunked_prefill else False,
        "seed": settings.seed,
        "trust_remote_code": settings.trust_remote_code,
        "max_logprobs": MAX_LOGPROBS,
        "generation_config": "vllm",
        "enable_log_requests": False,
    }
    if settings.kv_cache_gib is not None:
        values["kv_cache_memory_bytes"] = int(settings.kv_cache_gib * 2**30)
    return values


def cpu_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what replaces or joins those of `engine_arguments` on a CPU."""
    return {
        "max_num_seqs": min(arguments["max_num_seqs"], CPU_MAX_SEQUENCES),
        "kv_cache_memory_bytes": arguments.get("kv_cache_memory_bytes", CPU_KV_CACHE_BYTES),
        "enforce_eager": True,
        "worker_extension_cls": "services._vllm.amx.AMX",
    }
