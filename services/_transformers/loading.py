"""Loads a transformers model and its manager by the settings; imports torch and transformers."""

import dataclasses
import importlib.util
from math import ceil
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    ContinuousBatchingConfig,
    GenerationConfig,
    LogitsProcessorList,
)
from transformers.generation.continuous_batching.model_runner import infer_max_single_request_tokens
from transformers.utils.logging import disable_progress_bar

from common.errors import StartError
from common.messages import first_line
from common.models.model import Model
from common.settings import Settings
from services._transformers.sampler import Sampler

CPU_KV_CACHE_GIB = 1.0
CPU_BATCH_TOKENS = 512
PAGE_SIZE = 32
BITSANDBYTES: dict[str, dict[str, Any]] = {
    "bitsandbytes-4bit": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    "bitsandbytes-8bit": {"load_in_8bit": True},
}
# Settings decide them, the Sampler needs them as they are, or they would block the event loop.
NOT_FOR_USERS = {
    "allow_block_sharing",
    "block_size",
    "decode_compile_config",
    "default_compile_level",
    "drop_unsupported_processors",
    "kv_padding_interval_size",
    "max_cached_graphs",
    "max_queue_size",
    "per_request_processors",
    "q_padding_interval_size",
    "return_logprobs",
    "seed",
    "use_async_batching",
    "use_cuda_graph",
    "use_default_compile_configs",
    "varlen_compile_config",
}


def load_manager(settings: Settings, model: Model) -> tuple[Any, Sampler, int]:
    """A manager not yet started, its sampler, and the tokens that one sequence may have.

    Raises StartError.
    """
    options = _model_options(settings, model)
    engine_args = _engine_args(settings)
    disable_progress_bar()
    try:
        network = AutoModelForCausalLM.from_pretrained(model.path, **options)
        if "device_map" not in options and torch.cuda.is_available():
            network = network.to("cuda")
        values = _pool_values(settings, model, network, engine_args)
        manager = network.init_continuous_batching(
            generation_config=GenerationConfig(eos_token_id=-1, do_sample=False),
            continuous_batching_config=ContinuousBatchingConfig(**values),
        )
        vocab_size = network.config.get_text_config().vocab_size
        sampler = Sampler(vocab_size, network.device, settings.seed)
        processors = manager.logit_processor
        processors.logits_processor = LogitsProcessorList([sampler])
        processors.tensors_required = 1
        processors.do_processing = True
        # Allocates the KV cache, which `start` would do in its thread where an error kills it.
        manager.warmup()
    except Exception as error:
        raise StartError(f"transformers cannot load the model: {first_line(error)}") from error
    capacity = infer_max_single_request_tokens(manager.batch_processor.cache)
    if capacity < model.max_model_len:
        name = "gpu_memory_utilization" if network.device.type == "cuda" else "kv_cache_gib"
        raise StartError(
            f"setting {name!r}: the KV cache holds {capacity} tokens and max_model_len is "
            f"{model.max_model_len}; raise the one or lower the other"
        )
    return manager, sampler, capacity


def _model_options(settings: Settings, model: Model) -> dict[str, Any]:
    """Arguments of from_pretrained."""
    if settings.kv_cache_gib is not None and torch.cuda.is_available():
        raise StartError(
            "setting 'kv_cache_gib': on a GPU transformers sizes its cache by "
            "gpu_memory_utilization; set that one"
        )
    options: dict[str, Any] = {
        "dtype": settings.dtype,
        "attn_implementation": "sdpa",
        "trust_remote_code": settings.trust_remote_code,
    }
    own, name = model.quantization, model.load.engine_name
    if own == "none":
        if name is None:
            return options
        options["quantization_config"] = _bitsandbytes(name)
    return options | {"device_map": "cuda" if torch.cuda.is_available() else "cpu"}


def _bitsandbytes(name: str) -> BitsAndBytesConfig:
    usable = torch.cuda.is_available() and importlib.util.find_spec("bitsandbytes")
    if usable and name in BITSANDBYTES:
        return BitsAndBytesConfig(**BITSANDBYTES[name])
    raise StartError(
        f"setting 'quantization': not {name!r}; allowed is 'none', as the checkpoint is, and "
        f"{' or '.join(map(repr, BITSANDBYTES))} for a checkpoint without quantization, with CUDA "
        "and the package bitsandbytes"
    )


def _engine_args(settings: Settings) -> dict[str, Any]:
    known = {field.name for field in dataclasses.fields(ContinuousBatchingConfig)}
    allowed = sorted(known - NOT_FOR_USERS)
    for name in settings.engine_args:
        if name not in allowed:
            raise StartError(
                f"setting 'engine_args': not {name!r}; allowed are {', '.join(allowed)}"
            )
    return settings.engine_args


def _pool_values(
    settings: Settings, model: Model, network: Any, engine_args: dict[str, Any]
) -> dict[str, Any]:
    """The fields of ContinuousBatchingConfig; transformers itself sizes the cache on a GPU."""
    values: dict[str, Any] = {
        "page_size": PAGE_SIZE,
        "max_requests_per_batch": settings.max_concurrency,
        "allow_block_sharing": settings.prefix_caching,
        "seed": settings.seed,
        "use_async_batching": False,
        "use_cuda_graph": False,
    }
    if network.device.type == "cuda":
        return values | {"max_memory_percent": settings.gpu_memory_utilization} | engine_args
    values |= {"max_batch_tokens": CPU_BATCH_TOKENS} | engine_args
    config = network.config.get_text_config()
    page_size = values["page_size"]
    head_dim = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    kv_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    cache = 2 * config.num_hidden_layers * kv_heads * head_dim
    # A row of the attention mask for each token of a batch: as large as the cache of a small model.
    token_bytes = (cache + values["max_batch_tokens"]) * network.dtype.itemsize
    gib = settings.kv_cache_gib or CPU_KV_CACHE_GIB
    fitting = int(gib * 2**30) // (token_bytes * page_size)
    useful = settings.max_concurrency * ceil(model.max_model_len / page_size)
    return {"num_blocks": max(1, min(fitting, useful))} | values
