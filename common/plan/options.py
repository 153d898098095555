"""The settings on which a plan depends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.models.tensors import FLOATS
from common.settings import Settings
from common.speculative import Speculative

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
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    expert_parallel: bool = False
    speculative: Speculative | None = None
    adapter_slots: int = 0
    max_adapter_rank: int = 16
    kv_offload: float | None = None
    fraction: float | None = None
    kv_cache_gib: float | None = None
    max_concurrency: int = 256
    chunked_prefill: bool = True
    engine_args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gpus(self) -> int:
        """The GPUs of all copies together."""
        return self.tensor_parallel_size * self.pipeline_parallel_size * self.data_parallel_size


def _dtype(settings: Settings) -> str:
    """Returns the setting, or what engine_args say: every engine that takes it there calls it so,
    and lets it win."""
    own = settings.engine_args.get("dtype")
    return own if own in FLOATS else settings.dtype


def options_of(settings: Settings) -> LoadOptions:
    set_by_user = "gpu_memory_utilization" in settings.model_fields_set
    return LoadOptions(
        quantization=settings.quantization or AUTO,
        kv_cache_dtype=settings.kv_cache_dtype,
        dtype=_dtype(settings),
        max_model_len=settings.max_model_len,
        tensor_parallel_size=settings.tensor_parallel_size,
        pipeline_parallel_size=settings.pipeline_parallel_size,
        data_parallel_size=settings.data_parallel_size,
        expert_parallel=settings.expert_parallel,
        speculative=settings.speculative,
        adapter_slots=settings.adapter_slots,
        max_adapter_rank=settings.max_adapter_rank,
        kv_offload=settings.kv_offload,
        fraction=settings.gpu_memory_utilization if set_by_user else None,
        kv_cache_gib=settings.kv_cache_gib,
        max_concurrency=settings.max_concurrency,
        chunked_prefill=settings.chunked_prefill,
        engine_args=settings.engine_args,
    )
