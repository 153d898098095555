"""Arguments of LLM: pydantic models that forbid others, as the real ones."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from tests.doubles.recorded import fields


class BaseLlmArgs(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())


def _model(name: str, *targets: str, **checked: Any) -> Any:
    """Returns a model with the fields of the targets; `checked` has annotation and default of those
    whose values it looks at."""
    known: dict[str, Any] = {}
    for target in targets:
        known |= fields("trtllm", target)
    return create_model(name, __base__=BaseLlmArgs, **(known | checked))


KvCacheConfig = _model(
    "KvCacheConfig",
    "KvCacheConfig",
    free_gpu_memory_fraction=(float | None, Field(0.9, ge=0, le=1)),
    max_gpu_total_bytes=(int, Field(0, ge=0)),
    mamba_ssm_cache_dtype=(Literal["auto", "float16", "bfloat16", "float32"], "auto"),
)


class NGramDecodingConfig(BaseLlmArgs):
    max_draft_len: int = Field(gt=0)


class DraftTargetDecodingConfig(NGramDecodingConfig):
    speculative_model_dir: str


class EagleDecodingConfig(DraftTargetDecodingConfig):
    """EAGLE-3 on PyTorch."""


class MTPDecodingConfig(BaseLlmArgs):
    num_nextn_predict_layers: int = Field(1, gt=0)


SchedulerConfig = _model(
    "SchedulerConfig",
    "SchedulerConfig",
    capacity_scheduler_policy=(
        Literal["GUARANTEED_NO_EVICT", "MAX_UTILIZATION", "STATIC_BATCH"],
        "GUARANTEED_NO_EVICT",
    ),
    context_chunking_policy=(Literal["FIRST_COME_FIRST_SERVED", "EQUAL_PROGRESS"] | None, None),
)
PARTS: dict[str, Any] = {
    "tokenizer_mode": (Literal["auto", "slow"], "auto"),
    "kv_cache_config": (KvCacheConfig, Field(default_factory=KvCacheConfig)),
    "guided_decoding_backend": (Literal["xgrammar", "llguidance"] | None, None),
    "scheduler_config": (SchedulerConfig, Field(default_factory=SchedulerConfig)),
    "orchestrator_type": (Literal["rpc", "ray"] | None, None),
    **dict.fromkeys(("tensor_parallel_size", "pipeline_parallel_size"), (int, 1)),
    **dict.fromkeys(("max_batch_size", "max_input_len", "max_seq_len"), (int | None, None)),
    "max_num_tokens": (int | None, 8192),
}
TorchLlmArgs = _model(
    "TorchLlmArgs",
    "BaseLlmArgs",
    "TorchLlmArgs",
    **PARTS,
    sampler_type=(Literal["auto", "TorchSampler", "TRTLLMSampler"], "auto"),
    stream_interval=(int, Field(1, ge=1)),
)
TrtLlmArgs = _model("TrtLlmArgs", "BaseLlmArgs", "TrtLlmArgs", **PARTS)
