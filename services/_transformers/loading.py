"""Loads a transformers model and its manager by the settings; imports torch and transformers."""

import dataclasses
import importlib.util
from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    BitsAndBytesConfig,
    ContinuousBatchingConfig,
    GenerationConfig,
    LogitsProcessorList,
)
from transformers.generation.continuous_batching.model_runner import infer_max_single_request_tokens
from transformers.utils.logging import disable_progress_bar

from common.engine_args import check_engine_args
from common.errors import StartError
from common.messages import first_line
from common.models.model import Model
from common.settings import Settings
from services._transformers.adapters import BatchAdapters
from services._transformers.families import takes_images
from services._transformers.images import ImageTokens
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


class Loaded(NamedTuple):
    """A manager not yet started, its sampler, the tokens that one sequence may have, what computes
    adapters where there may be some, and what gives images their tokens, where the model takes
    some."""

    manager: Any
    sampler: Sampler
    capacity: int
    adapters: BatchAdapters | None
    image_tokens: ImageTokens | None


def load_manager(settings: Settings, model: Model) -> Loaded:
    """Raises StartError."""
    options = model_options(settings, model)
    engine_args = _engine_args(settings)
    disable_progress_bar()
    try:
        loader = AutoModelForImageTextToText if takes_images(model) else AutoModelForCausalLM
        network, loaded = loader.from_pretrained(
            model.path, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
        check_whole(loaded)
        if "device_map" not in options and torch.cuda.is_available():
            network = network.to("cuda")
        image_tokens = ImageTokens(network) if takes_images(model) else None
        values = _pool_values(settings, model, network, engine_args)
        manager = network.init_continuous_batching(
            generation_config=GenerationConfig(eos_token_id=-1, do_sample=False),
            continuous_batching_config=ContinuousBatchingConfig(**values),
        )
        adapters = BatchAdapters(network) if settings.adapter_slots else None
        sampler = Sampler(network, settings.seed, adapters)
        processors = manager.logit_processor
        processors.logits_processor = LogitsProcessorList([sampler])
        processors.tensors_required = 1
        processors.do_processing = True
        # Allocates the KV cache, which `start` would do in its thread where an error kills it.
        manager.warmup()
        if adapters is not None:
            adapters.attach(manager.batch_processor)
            for adapter in model.adapters:
                adapters.load(adapter)
    except Exception as error:
        raise StartError(f"transformers cannot load the model: {first_line(error)}") from error
    capacity = infer_max_single_request_tokens(manager.batch_processor.cache)
    if capacity < model.max_model_len:
        name = "gpu_memory_utilization" if network.device.type == "cuda" else "kv_cache_gib"
        raise StartError(
            f"setting {name!r}: the KV cache holds {capacity} tokens and max_model_len is "
            f"{model.max_model_len}; raise the one or lower the other"
        )
    return Loaded(manager, sampler, capacity, adapters, image_tokens)


def check_whole(loaded: Mapping[str, Any]) -> None:
    """Raises ValueError for weights that the files lack, or have in another shape: they would be
    random numbers."""
    missing, mismatched = loaded["missing_keys"], loaded["mismatched_keys"]
    if missing:
        name = min(missing)
        raise ValueError(f"its files lack {len(missing)} of the model's weights, such as {name}")
    if mismatched:
        name, stored, expected = min(mismatched)
        raise ValueError(
            f"{name} has the shape {tuple(stored)} in its files and {tuple(expected)} by "
            f"config.json; {len(mismatched)} weights differ so"
        )


def model_options(settings: Settings, model: Model) -> dict[str, Any]:
    """Arguments of from_pretrained."""
    if settings.kv_cache_gib is not None and torch.cuda.is_available():
        raise StartError(
            "setting 'kv_cache_gib': on a GPU transformers sizes its cache by "
            "gpu_memory_utilization; set that one"
        )
    options: dict[str, Any] = {
        "dtype": model.load.dtype,
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
    reserved = {"cpu_offload_space": "use the setting 'kv_offload'"}
    check_engine_args(settings.engine_args, allowed, "Transformers", reserved=reserved)
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
        values["cpu_offload_space"] = settings.kv_offload or 0.0
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
