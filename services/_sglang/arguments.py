"""The service's settings as arguments of SGLang's Engine."""

from collections.abc import Collection, Mapping
from math import ceil
from typing import Any

from common.engine_args import check_engine_args, check_speculative_args
from common.models.model import Model
from common.settings import Settings
from common.speculative import Method, Speculative

RESERVED: Mapping[str, str] = {
    "allow_auto_truncate": "a request that is too long is refused",
    "context_length": "use the setting 'max_model_len'",
    "dp_size": "use the setting 'data_parallel_size'",
    "enable_lora": "use the setting 'adapters' or 'adapter_loading'",
    "enable_hierarchical_cache": "use the setting 'kv_offload'",
    "ep_size": "use the setting 'expert_parallel'",
    "hicache_size": "use the setting 'kv_offload'",
    "custom_sigquit_handler": "the service handles SIGQUIT",
    "detokenizer_worker_num": "the service makes the text",
    "incremental_streaming_output": "the service needs it",
    "lora_paths": "use the setting 'adapters'",
    "max_lora_rank": "use the setting 'max_adapter_rank'",
    "max_loras_per_batch": "use the setting 'max_adapters'",
    "is_embedding": "the service generates",
    "model_path": "use the setting 'model'",
    "node_rank": "the service is the first node",
    "pp_size": "use the setting 'pipeline_parallel_size'",
    "preferred_sampling_params": "every request is complete",
    "skip_tokenizer_init": "min_tokens and response_format need SGLang's tokenizer",
    "tokenizer_worker_num": "the service's process is the one that takes requests",
    "tp_size": "use the setting 'tensor_parallel_size'",
}
"""Arguments that the adapter depends on, each with why it is not for the user."""
METHODS: Mapping[Method, str] = {
    "ngram": "NGRAM",
    "draft": "STANDALONE",
    "eagle": "EAGLE",
    "eagle3": "EAGLE3",
    "mtp": "NEXTN",
}
"""SGLang's names of the methods of `speculative`."""
DRAFTS = ("speculative_draft_model_path", "speculative_num_draft_tokens", "speculative_num_steps")
GIB_IN_GB = 2**30 / 1e9
SPARE_TOKENS = 128
"""SGLang takes prompts of less than its context_length minus 6, and cuts answers 2 tokens short of
it; with speculative decoding the drafts need some, too."""
QUIET = "error"
CPU_MAX_REQUESTS = 256
CPU_KV_CACHE_TOKENS = 2**15
"""At least; the engine's own choice on a CPU is what fits into most of the memory."""


def deterministic(settings: Settings) -> bool:
    """Returns whether SGLang heeds the seeds of requests."""
    args = settings.engine_args
    return bool(args.get("enable_deterministic_inference") or args.get("rl_on_policy_target"))


def engine_arguments(
    settings: Settings, model: Model, allowed: Collection[str], *, on_cpu: bool = False
) -> dict[str, Any]:
    """Returns fields of ServerArgs.

    Raises StartError for an engine argument that SGLang does not have or the service sets.
    """
    source = "the fields of sglang.ServerArgs"
    check_engine_args(settings.engine_args, allowed, "SGLang", source, RESERVED)
    check_speculative_args(
        settings.speculative,
        settings.engine_args,
        "speculative_algorithm",
        DRAFTS,
        METHODS.values(),
    )
    values: dict[str, Any] = {
        "model_path": str(model.path),
        "trust_remote_code": settings.trust_remote_code,
        "dtype": model.load.dtype,
        "quantization": model.load.engine_name,
        "context_length": model.max_model_len + SPARE_TOKENS,
        "tp_size": settings.tensor_parallel_size,
        "pp_size": settings.pipeline_parallel_size,
        "dp_size": settings.data_parallel_size,
        "ep_size": settings.tensor_parallel_size if settings.expert_parallel else 1,
        "max_running_requests": settings.max_concurrency,
        "stream_interval": settings.stream_interval,
        "disable_radix_cache": not settings.prefix_caching,
        "random_seed": settings.seed,
        "incremental_streaming_output": True,
        "log_level": QUIET,
    }
    if "gpu_memory_utilization" in settings.model_fields_set:
        # It is for weights and KV cache; the default leaves room for activations and CUDA graphs.
        values["mem_fraction_static"] = settings.gpu_memory_utilization
    if not settings.chunked_prefill:
        values["chunked_prefill_size"] = -1
    if settings.kv_offload is not None:
        # Whole gigabytes, of each GPU.
        size = ceil(settings.kv_offload * GIB_IN_GB / settings.gpus)
        values |= {"enable_hierarchical_cache": True, "hicache_size": size}
    if settings.adapter_slots:
        values |= _adapter_arguments(settings)
    if settings.speculative is not None:
        values |= _speculative_arguments(settings.speculative)
    if on_cpu:
        values |= cpu_arguments(values)
    return values | settings.engine_args


def _adapter_arguments(settings: Settings) -> dict[str, Any]:
    """Returns what makes room for all adapters on the device, so that none waits for another.

    SGLang counts requests without an adapter as one more.
    """
    return {
        "enable_lora": True,
        "max_loras_per_batch": settings.adapter_slots + 1,
        "max_lora_rank": settings.max_adapter_rank,
        "lora_target_modules": ["all"],
    }


def _speculative_arguments(speculative: Speculative) -> dict[str, Any]:
    """Returns what drafts one chain of tokens. SGLang counts the token that follows the last
    accepted one among the drafted."""
    values: dict[str, Any] = {
        "speculative_algorithm": METHODS[speculative.method],
        "speculative_num_draft_tokens": speculative.tokens + 1,
    }
    if speculative.method == "ngram":
        return values | {"speculative_ngram_max_bfs_breadth": 1}
    values |= {"speculative_num_steps": speculative.tokens, "speculative_eagle_topk": 1}
    if speculative.model is not None:
        values["speculative_draft_model_path"] = speculative.model
    return values


def cpu_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what replaces or joins those of `engine_arguments` on a CPU."""
    return {
        "max_running_requests": min(arguments["max_running_requests"], CPU_MAX_REQUESTS),
        "max_total_tokens": max(arguments["context_length"], CPU_KV_CACHE_TOKENS),
        # An idle scheduler would take a whole core from what computes.
        "sleep_on_idle": True,
    }
