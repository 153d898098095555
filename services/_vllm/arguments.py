"""The service's settings as vLLM's engine arguments; imports no vLLM."""

from collections.abc import Mapping
from typing import Any

from common.engine_args import check_speculative_args
from common.errors import StartError
from common.models.context import rope_kinds
from common.models.embedding import Pooling
from common.models.model import Model
from common.plan.tables import merged
from common.settings import Settings
from common.speculative import Method, Speculative
from services._xgrammar.schemas import OTHER_COMPILER

ENVIRONMENT: Mapping[str, str] = {
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
RESERVED: Mapping[str, str] = {
    "data_parallel_size": "use the setting 'data_parallel_size'",
    "enable_expert_parallel": "use the setting 'expert_parallel'",
    "enable_lora": "use the setting 'adapters' or 'adapter_loading'",
    "kv_offloading_size": "use the setting 'kv_offload'",
    "max_lora_rank": "use the setting 'max_adapter_rank'",
    "max_loras": "use the setting 'max_adapters'",
    "pipeline_parallel_size": "use the setting 'pipeline_parallel_size'",
    "tensor_parallel_size": "use the setting 'tensor_parallel_size'",
}
"""vLLM's arguments that a setting says."""
METHODS: Mapping[Method, str] = {
    "ngram": "ngram",
    "draft": "draft_model",
    "eagle": "eagle",
    "eagle3": "eagle3",
    "mtp": "mtp",
}
"""vLLM's names of the methods of `speculative`, in its speculative_config."""
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Of adapters, for which vLLM makes room (config/lora.py, MaxLoRARanks)."""
NO_DRAFTS = "vLLM has no such field beside drafted tokens, which the setting speculative asks for"
MAX_LOGPROBS = 20
POOLINGS: Mapping[Pooling, str] = {"mean": "MEAN", "cls": "CLS", "last": "LAST"}
"""vLLM's names of the ways to make one vector."""
CPU_MAX_SEQUENCES = 256
CPU_KV_CACHE_BYTES = 2**30


def engine_arguments(settings: Settings, model: Model) -> dict[str, Any]:
    """Returns fields of AsyncEngineArgs, all of them JSON, without the model's name and path."""
    values: dict[str, Any] = {
        "dtype": model.load.dtype,
        "quantization": model.load.engine_name,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "pipeline_parallel_size": settings.pipeline_parallel_size,
        "data_parallel_size": settings.data_parallel_size,
        "enable_expert_parallel": settings.expert_parallel,
        "max_model_len": model.max_model_len,
        "max_num_seqs": settings.max_concurrency,
        "stream_interval": settings.stream_interval,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        # None is on wherever the model allows it; True would insist.
        "enable_prefix_caching": None if settings.prefix_caching else False,
        "enable_chunked_prefill": None if settings.chunked_prefill else False,
        "seed": settings.seed,
        "trust_remote_code": settings.trust_remote_code,
        "max_logprobs": MAX_LOGPROBS,
        "generation_config": "vllm",
        "enable_log_requests": False,
        **_positions(model),
        **_pooling(model),
    }
    if settings.kv_cache_gib is not None:
        values["kv_cache_memory_bytes"] = int(settings.kv_cache_gib * 2**30)
    if settings.kv_offload is not None:
        # It is that of all GPUs that share one copy of the model.
        values["kv_offloading_size"] = settings.kv_offload / settings.data_parallel_size
    if settings.adapter_slots:
        values |= _adapter_arguments(settings)
    if settings.speculative is not None:
        values["speculative_config"] = _speculative_config(settings.speculative)
    return values


def _pooling(model: Model) -> dict[str, Any]:
    """Returns what makes vLLM embed, as the model's own files say; whether a vector is normalized,
    shared code says."""
    if model.task != "embed":
        return {}
    config = {"pooling_type": POOLINGS[model.embedding.pooling], "use_activation": False}
    return {"runner": "pooling", "pooler_config": config}


def _adapter_arguments(settings: Settings) -> dict[str, Any]:
    """Returns what makes room for all adapters on the device, so that none waits for another."""
    return {
        "enable_lora": True,
        "max_loras": settings.adapter_slots,
        "max_lora_rank": next(rank for rank in RANKS if rank >= settings.max_adapter_rank),
    }


def _speculative_config(speculative: Speculative) -> dict[str, Any]:
    model = {} if speculative.model is None else {"model": speculative.model}
    return {
        "method": METHODS[speculative.method],
        "num_speculative_tokens": speculative.tokens,
        **model,
    }


def check_arguments(settings: Settings) -> None:
    """Raises StartError for a speculative_config of the user's that says what the setting says."""
    given = settings.engine_args.get("speculative_config") or {}
    if not isinstance(given, Mapping):
        raise StartError(
            f"setting 'engine_args': speculative_config is {given!r}; allowed is an object"
        )
    others = ("model", "num_speculative_tokens")
    check_speculative_args(settings.speculative, given, "method", others, (None, *METHODS.values()))


def with_given(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `values` with the user's arguments; both may have a part of speculative_config."""
    name = "speculative_config"
    both = {name: merged(values[name], given[name])} if values.get(name) and given.get(name) else {}
    return {**values, **given, **both}


def speculative_gaps(settings: Settings) -> Mapping[str, str]:
    """Returns the request fields that vLLM refuses where it checks drafted tokens."""
    drafts = settings.speculative or settings.engine_args.get("speculative_config")
    return dict.fromkeys(("min_p", "logit_bias"), NO_DRAFTS) if drafts else {}


def _positions(model: Model) -> dict[str, Any]:
    """Returns what makes vLLM take a context that yarn, or the tokenizer's config, allows.

    It multiplies max_position_embeddings by other factors itself (config/model.py,
    _get_and_verify_max_len), and makes as many rotary positions as that says.
    """
    text = model.config.text
    limit = text.get("max_position_embeddings")
    multiplied = rope_kinds(text) & {"linear", "dynamic", "ntk"}
    if limit is None or model.max_model_len <= limit or multiplied or model.config.multimodal:
        return {}
    return {"hf_overrides": {"max_position_embeddings": model.max_model_len}}


def grammar_gaps(engine_args: Mapping[str, Any]) -> Mapping[str, str]:
    """Returns the gap of `response_format` where another compiler than xgrammar is asked for.

    By itself vLLM takes others only for what xgrammar refuses, which never reaches it.
    """
    config = engine_args.get("structured_outputs_config")
    compiler = config.get("backend", "auto") if isinstance(config, Mapping) else "auto"
    return {} if compiler in ("auto", "xgrammar") else {"response_format": OTHER_COMPILER}


def cpu_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what replaces or joins those of `engine_arguments` on a CPU.

    There the model's own tokens get the last adapter's matrices in a batch with adapters (index -1
    in lora/ops/torch_ops/lora_ops.py of vLLM 0.29 to 0.32): one more place stays empty.
    """
    adapters = {"max_loras": arguments["max_loras"] + 1} if "max_loras" in arguments else {}
    return {
        **adapters,
        "max_num_seqs": min(arguments["max_num_seqs"], CPU_MAX_SEQUENCES),
        "kv_cache_memory_bytes": arguments.get("kv_cache_memory_bytes", CPU_KV_CACHE_BYTES),
        "enforce_eager": True,
        "worker_extension_cls": "services._vllm.cpu_worker.CPUWorker",
    }
