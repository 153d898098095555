"""The service's settings as arguments of SGLang's Engine."""

from collections.abc import Collection, Mapping
from typing import Any

from common.engine_args import check_engine_args
from common.models.model import Model
from common.settings import Settings

RESERVED: Mapping[str, str] = {
    "allow_auto_truncate": "a request that is too long is refused",
    "context_length": "use the setting 'max_model_len'",
    "custom_sigquit_handler": "the service handles SIGQUIT",
    "incremental_streaming_output": "the service needs it",
    "is_embedding": "the service generates",
    "model_path": "use the setting 'model'",
    "node_rank": "the service is the first node",
    "preferred_sampling_params": "every request is complete",
    "skip_tokenizer_init": "min_tokens and response_format need SGLang's tokenizer",
    "tokenizer_worker_num": "the service's process is the one that takes requests",
}
"""Arguments that the adapter depends on, each with why it is not for the user."""
SPARE_TOKENS = 128
"""SGLang takes prompts of less than its context_length minus 6, and cuts answers 2 tokens short of
it; with speculative decoding the drafts need some, too."""
QUIET = "error"


def deterministic(settings: Settings) -> bool:
    """Returns whether SGLang heeds the seeds of requests."""
    args = settings.engine_args
    return bool(args.get("enable_deterministic_inference") or args.get("rl_on_policy_target"))


def engine_arguments(settings: Settings, model: Model, allowed: Collection[str]) -> dict[str, Any]:
    """Returns fields of ServerArgs.

    Raises StartError for an engine argument that SGLang does not have or the service sets.
    """
    source = "the fields of sglang.ServerArgs"
    check_engine_args(settings.engine_args, allowed, "SGLang", source, RESERVED)
    values: dict[str, Any] = {
        "model_path": str(model.path),
        "trust_remote_code": settings.trust_remote_code,
        "dtype": settings.dtype,
        "quantization": model.load.engine_name,
        "context_length": model.max_model_len + SPARE_TOKENS,
        "tp_size": settings.tensor_parallel_size,
        "max_running_requests": settings.max_concurrency,
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
    return values | settings.engine_args
