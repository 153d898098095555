"""The service's settings as arguments of TensorRT-LLM's LLM."""

from collections.abc import Mapping
from typing import Any

from common.errors import StartError
from common.models.errors import NotUnderstood
from common.models.kv_cache import kv_cache
from common.models.model import Model
from common.settings import Settings
from services._compiled.tensorrt_engine import EngineConfig

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
    default = "auto" if settings.engine_args.get("speculative_config") else TRTLLM_SAMPLER
    return str(settings.engine_args.get("sampler_type", default))


def guided_decoding(settings: Settings) -> str | None:
    """Returns the engine's backend for structured output."""
    backend: str | None = settings.engine_args.get("guided_decoding_backend", GUIDED_DECODING)
    return backend


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
        "dtype": settings.dtype,
        "max_seq_len": model.max_model_len,
        "max_batch_size": settings.max_concurrency,
        "enable_chunked_prefill": settings.chunked_prefill,
        "sampler_type": sampler(settings),
    }
    if not settings.chunked_prefill:
        # A longer prompt than one forward pass takes would be refused.
        values["max_num_tokens"] = max(DEFAULT_MAX_NUM_TOKENS, model.max_model_len)
    return values


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
    return values


def _kv_dtype(settings: Settings, model: Model, engine: EngineConfig | None) -> str:
    """Returns the number format of the KV cache: as engine_args say, else as the model computes."""
    given = (settings.engine_args.get("kv_cache_config") or {}).get("dtype", "auto")
    if given != "auto":
        return str(given)
    dtype = engine.dtype if engine else settings.dtype
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
