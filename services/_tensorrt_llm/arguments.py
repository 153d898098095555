"""The service's settings as arguments of TensorRT-LLM's LLM."""

from collections.abc import Mapping
from typing import Any

from common.engine_args import check_engine_args, check_speculative_args
from common.errors import StartError
from common.messages import one_line
from common.models.errors import NotUnderstood
from common.models.kv_cache import kv_cache
from common.models.model import Model
from common.settings import Settings
from common.speculative import Speculative
from services._compiled.tensorrt_engine import EngineConfig
from services._tensorrt_llm.adapters import lora_config

RESERVED: Mapping[str, str] = {
    **dict.fromkeys(
        ("enable_lora", "lora_config"), "use the settings 'adapters' and 'adapter_loading'"
    ),
    "moe_expert_parallel_size": "use the setting 'expert_parallel'",
    "pipeline_parallel_size": "use the setting 'pipeline_parallel_size'",
    "tensor_parallel_size": "use the setting 'tensor_parallel_size'",
}
METHODS = ("NGram", "Draft_Target", "Eagle", "Eagle3", "MTP")
"""TensorRT-LLM's names, as a decoding_type, of what the setting `speculative` says."""
TRTLLM_SAMPLER = "TRTLLMSampler"
"""TensorRT-LLM's C++ decoder, which compiled engines use in any case."""
GUIDED_DECODING = "xgrammar"
DEFAULT_MAX_NUM_TOKENS = 8192
"""The tokens in one forward pass that TensorRT-LLM takes by default."""
BYTES = {"float32": 4, "fp8": 1, "int8": 1}


def sampler(settings: Settings) -> str:
    """Returns the sampler that the engine will use; speculative decoding has one of its own."""
    if settings.engine_dir is not None:
        return TRTLLM_SAMPLER
    drafts = settings.speculative or settings.engine_args.get("speculative_config")
    default = "auto" if drafts else TRTLLM_SAMPLER
    return str(settings.engine_args.get("sampler_type", default))


def guided_decoding(settings: Settings) -> str | None:
    """Returns the engine's backend for structured output."""
    backend: str | None = settings.engine_args.get("guided_decoding_backend", GUIDED_DECODING)
    return backend


def check_arguments(settings: Settings) -> None:
    """Raises StartError for engine arguments that say what a setting says."""
    given = settings.engine_args.get("speculative_config")
    if isinstance(given, dict):
        check_speculative_args(settings.speculative, given, "decoding_type", tuple(given), METHODS)
    cache = settings.engine_args.get("kv_cache_config")
    if isinstance(cache, dict) and "host_cache_size" in cache:
        raise StartError(
            "setting 'engine_args': 'host_cache_size' is not for you to set: use the setting "
            "'kv_offload'"
        )


def llm_class(settings: Settings) -> Any:
    """Returns one of TensorRT-LLM's two. Raises StartError for engine arguments it lacks."""
    compiled = settings.engine_dir is not None
    try:
        from tensorrt_llm.llmapi import TorchLlmArgs, TrtLlmArgs

        if compiled:
            from tensorrt_llm._tensorrt_engine import LLM
        else:
            from tensorrt_llm import LLM
    except Exception as error:
        # mpi4py raises a RuntimeError without OpenMPI, ctypes an OSError without a library.
        raise StartError(
            f"TensorRT-LLM cannot be imported: {one_line(error)}; it needs OpenMPI and "
            "CUDA 13, as nvcr.io/nvidia/tensorrt-llm/release has them"
        ) from error
    kind = TrtLlmArgs if compiled else TorchLlmArgs
    source = f"the fields of tensorrt_llm.llmapi.{kind.__name__}"
    check_engine_args(settings.engine_args, kind.model_fields, "TensorRT-LLM", source, RESERVED)
    return LLM


def llm_arguments(settings: Settings, model: Model, engine: EngineConfig | None) -> dict[str, Any]:
    """Returns keyword arguments of LLM.

    Raises StartError for a size of the KV cache that is unknown.
    """
    from tensorrt_llm.llmapi import KvCacheConfig

    guided = guided_decoding(settings)
    common = {
        "tokenizer": str(model.path),
        # Its only use is the grammar of structured output: ids go in and come out.
        "skip_tokenizer_init": guided is None,
        "guided_decoding_backend": guided,
        "trust_remote_code": settings.trust_remote_code,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "pipeline_parallel_size": settings.pipeline_parallel_size,
    }
    special = (
        _checkpoint_arguments(settings, model)
        if engine is None
        else _compiled_arguments(settings, engine)
    )
    given = settings.engine_args.get("kv_cache_config", {})
    if not isinstance(given, dict):
        raise StartError(
            f"setting 'engine_args': kv_cache_config is {given!r}; allowed is an object of "
            "KvCacheConfig's fields"
        )
    values = common | special | settings.engine_args
    cache = _kv_cache(settings, model, engine)
    values["kv_cache_config"] = KvCacheConfig(**cache | given)
    return values


def _checkpoint_arguments(settings: Settings, model: Model) -> dict[str, Any]:
    values = {
        "model": str(model.path),
        "dtype": model.load.dtype,
        "max_seq_len": model.max_model_len,
        "max_batch_size": settings.max_concurrency,
        "enable_chunked_prefill": settings.chunked_prefill,
        "sampler_type": sampler(settings),
    }
    if settings.adapter_slots:
        values["lora_config"] = lora_config(settings, model)
    if settings.expert_parallel:
        values["moe_expert_parallel_size"] = settings.tensor_parallel_size
    if settings.speculative is not None:
        values |= _speculative_arguments(settings.speculative)
    if not settings.chunked_prefill:
        # A longer prompt than one forward pass takes would be refused.
        values["max_num_tokens"] = max(DEFAULT_MAX_NUM_TOKENS, model.max_model_len)
    return values


def _speculative_arguments(speculative: Speculative) -> dict[str, Any]:
    from tensorrt_llm import llmapi

    tokens, model = speculative.tokens, speculative.model
    if speculative.method == "mtp":
        config = llmapi.MTPDecodingConfig(num_nextn_predict_layers=tokens)
    elif speculative.method == "eagle3":
        config = llmapi.EagleDecodingConfig(max_draft_len=tokens, speculative_model_dir=model)
    elif speculative.method == "draft":
        config = llmapi.DraftTargetDecodingConfig(max_draft_len=tokens, speculative_model_dir=model)
    else:
        config = llmapi.NGramDecodingConfig(max_draft_len=tokens)
    # What drafts outside the model's own forward pass has to see the last token first.
    outside = speculative.method in ("draft", "ngram")
    return {
        "speculative_config": config,
        **({"disable_overlap_scheduler": True} if outside else {}),
    }


def _compiled_arguments(settings: Settings, engine: EngineConfig) -> dict[str, Any]:
    """Lengths and number format were compiled in."""
    return {
        "model": str(engine.path),
        "max_batch_size": min(settings.max_concurrency, engine.max_batch_size),
        "enable_chunked_prefill": settings.chunked_prefill and engine.paged_context_fmha,
    }


def _kv_cache(settings: Settings, model: Model, engine: EngineConfig | None) -> dict[str, Any]:
    values = {
        "enable_block_reuse": settings.prefix_caching
        and (engine is None or engine.paged_context_fmha),
        "free_gpu_memory_fraction": settings.gpu_memory_utilization,
    }
    if settings.kv_cache_gib is not None:
        size = BYTES.get(_kv_dtype(settings, model, engine), 2)
        tokens = kv_cache_tokens(
            settings.kv_cache_gib, model.config.text, size, settings.tensor_parallel_size
        )
        # The PyTorch backend of 1.2 heeds this size, and max_gpu_total_bytes only sometimes.
        values["max_tokens"] = tokens
    if settings.kv_offload is not None:
        values["host_cache_size"] = int(settings.kv_offload * 2**30) // settings.gpus
    return values


def _kv_dtype(settings: Settings, model: Model, engine: EngineConfig | None) -> str:
    """Returns the number format of the KV cache: as engine_args say, else as the model computes."""
    given = (settings.engine_args.get("kv_cache_config") or {}).get("dtype", "auto")
    if given != "auto":
        return str(given)
    dtype = engine.dtype if engine else model.load.dtype
    return model.dtype if dtype == "auto" else dtype


def kv_cache_tokens(gib: float, config: Mapping[str, Any], size: int, gpus: int) -> int:
    """Returns how many tokens fit in `gib` GiB of each GPU, with `size` bytes per number.

    Raises StartError for a model that keeps something else.
    """
    try:
        cache = kv_cache(config, gpus)
    except NotUnderstood as error:
        raise StartError(
            f"setting 'kv_cache_gib': {error}; "
            'set its number of tokens: engine_args={"kv_cache_config": {"max_tokens": 100000}}'
        ) from None
    return int(gib * 2**30 // (len(cache.windows) * cache.numbers * size))
