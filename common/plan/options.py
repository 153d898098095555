"""The settings on which a plan depends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.settings import Settings

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """The settings of the same names; `fraction` is gpu_memory_utilization, None where it was
    left alone."""

    quantization: str = AUTO
    kv_cache_dtype: str = AUTO
    dtype: str = AUTO
    max_model_len: int | None = None
    tensor_parallel_size: int = 1
    fraction: float | None = None
    kv_cache_gib: float | None = None
    max_concurrency: int = 256
    chunked_prefill: bool = True
    engine_args: Mapping[str, Any] = field(default_factory=dict)


def options_of(settings: Settings) -> LoadOptions:
    set_by_user = "gpu_memory_utilization" in settings.model_fields_set
    return LoadOptions(
        quantization=settings.quantization or AUTO,
        kv_cache_dtype=settings.kv_cache_dtype,
        dtype=settings.dtype,
        max_model_len=settings.max_model_len,
        tensor_parallel_size=settings.tensor_parallel_size,
        fraction=settings.gpu_memory_utilization if set_by_user else None,
        kv_cache_gib=settings.kv_cache_gib,
        max_concurrency=settings.max_concurrency,
        chunked_prefill=settings.chunked_prefill,
        engine_args=settings.engine_args,
    )
