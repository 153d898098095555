"""Configurations, with the fields, defaults and checks of the package, and what engines answer."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic.dataclasses import dataclass as checked_dataclass

Dtypes = ("auto", "float16", "bfloat16")


class QuantPolicy(enum.IntEnum):
    NONE = 0
    INT4 = 4
    INT8 = 8
    FP8 = 16
    FP8_E5M2 = 17
    TURBO_QUANT = 42


class ResponseType(enum.Enum):
    SUCCESS = enum.auto()
    FINISH = enum.auto()
    ENGINE_STOP_ERROR = enum.auto()
    SESSION_REPEAT = enum.auto()
    SESSION_NOT_EXIST = enum.auto()
    HANDLER_NOT_EXIST = enum.auto()
    INPUT_LENGTH_ERROR = enum.auto()
    INTERNAL_ENGINE_ERROR = enum.auto()
    CANCEL = enum.auto()
    PREFIX_CACHE_CONFLICT = enum.auto()
    NO_QUEUE = enum.auto()
    NOT_SUPPORTED = enum.auto()
    OUT_OF_MEMORY = enum.auto()


@dataclass
class GenerationConfig:
    n: int = 1
    max_new_tokens: int = 512
    do_sample: bool = False
    top_p: float = 1.0
    top_k: int = 50
    min_p: float = 0.0
    temperature: float = 0.8
    repetition_penalty: float = 1.0
    ignore_eos: bool = False
    random_seed: int | None = None
    stop_words: list[str] | None = None
    bad_words: list[str] | None = None
    stop_token_ids: list[int] | None = None
    bad_token_ids: list[int] | None = None
    min_new_tokens: int | None = None
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True
    logprobs: int | None = None
    logprob_start_len: int = -1
    response_format: dict[str, Any] | None = None
    logits_processors: list[Callable[[Any, Any], Any]] | None = None
    output_logits: str | None = None
    output_last_hidden_state: str | None = None
    include_stop_str_in_output: bool = False
    return_ppl: bool = False
    with_cache: bool = False
    preserve_cache: bool = False
    migration_request: Any = None
    return_routed_experts: bool = False
    repetition_ngram_size: int = 0
    repetition_ngram_threshold: int = 0

    def __post_init__(self) -> None:
        assert type(self.n) is int, "n is not a positive integer"
        assert self.n > 0, "n is not a positive integer"
        assert 0 <= self.top_p <= 1
        assert self.top_k >= 0, "top_k can not be a negative integer"
        assert 0 <= self.temperature <= 2
        assert 0 <= self.min_p <= 1, f"min_p should be in range [0, 1], but found {self.min_p}"
        if self.logprob_start_len < -1:
            raise ValueError("logprob_start_len must be greater than or equal to -1")


@checked_dataclass
class TurbomindEngineConfig:
    dtype: str = "auto"
    gemm_input_dtype: str | None = None
    model_format: str | None = None
    tp: int = 1
    dp: int = 1
    cp: int = 1
    ep: int = 1
    device_num: int = None  # type: ignore[assignment]
    attn_tp_size: int = None  # type: ignore[assignment]
    attn_cp_size: int = None  # type: ignore[assignment]
    attn_dp_size: int = None  # type: ignore[assignment]
    mlp_tp_size: int = None  # type: ignore[assignment]
    mlp_dp_size: int = None  # type: ignore[assignment]
    outer_dp_size: int = None  # type: ignore[assignment]
    nnodes: int = 1
    node_rank: int = 0
    dist_init_addr: str | None = None
    devices: list[int] | None = None
    session_len: int | None = None
    max_batch_size: int = None  # type: ignore[assignment]
    cache_max_entry_count: float = 0.8
    cache_chunk_size: int = -1
    cache_block_seq_len: int = 64
    enable_prefix_caching: bool = False
    cache_checkpoint_interval: int = 4096
    cache_prompt: str = "auto"
    cache_prompt_boundary_skip: int = 1
    cache_generation: str = "auto"
    quant_policy: int = 0
    rope_scaling_factor: float = 0.0
    use_logn_attn: bool = False
    download_dir: str | None = None
    revision: str | None = None
    max_prefill_token_num: int = 8192
    num_tokens_per_iter: int = 0
    max_prefill_iters: int = 1
    async_: int = 1
    empty_init: bool = False
    language_model_only: bool = False
    communicator: str = "nccl"
    moe_a2a_backend: str = "auto"
    hf_overrides: dict[str, Any] | None = None
    enable_metrics: bool = True

    def __post_init__(self) -> None:
        assert self.dtype in Dtypes
        assert self.tp >= 1, "tp must be a positive integer"
        assert self.cache_max_entry_count > 0, "invalid cache_max_entry_count"
        self.quant_policy = _quant_policy(self.quant_policy)
        assert self.quant_policy not in (QuantPolicy.FP8, QuantPolicy.FP8_E5M2), (
            "invalid quant_policy for TurboMind, FP8 quantization is not supported"
        )
        assert self.max_prefill_token_num >= 0, "invalid max_prefill_token_num"
        assert self.cache_prompt in ("all", "auto"), "invalid cache_prompt"
        assert self.cache_generation in ("all", "auto", "none"), "invalid cache_generation"


@dataclass
class PytorchEngineConfig:
    dtype: str = "auto"
    tp: int = 1
    dp: int = 1
    dp_rank: int = 0
    ep: int = 1
    session_len: int | None = None
    max_batch_size: int | None = None
    attn_tp_size: int | None = None
    mlp_tp_size: int | None = None
    moe_tp_size: int | None = None
    cache_max_entry_count: float = 0.8
    prefill_interval: int = 16
    block_size: int = 64
    kernel_block_size: int = -1
    num_cpu_blocks: int = 0
    num_gpu_blocks: int = 0
    adapters: dict[str, str] | None = None
    max_prefill_token_num: int = 8192
    cudagraph_capture_batch_sizes: list[int] | None = None
    thread_safe: bool = False
    enable_prefix_caching: bool = False
    prefix_cache_state_budget: int = 0
    prefix_cache_decode_state_interval: int = 0
    device_type: str = "cuda"
    eager_mode: bool = False
    custom_module_map: dict[str, str] | None = None
    download_dir: str | None = None
    revision: str | None = None
    quant_policy: QuantPolicy = QuantPolicy.NONE
    distributed_executor_backend: str | None = None
    empty_init: bool = False
    enable_microbatch: bool = False
    enable_eplb: bool = False
    enable_mp_engine: bool = False
    mp_engine_backend: str = "mp"
    model_format: str | None = None
    enable_metrics: bool = True
    hf_overrides: dict[str, Any] | None = None
    language_model_only: bool = False
    logprobs_mode: str | None = None
    enable_return_routed_experts: bool = False
    enable_transfer_obj_ref: bool = False
    dllm_block_length: int | None = None
    dllm_unmasking_strategy: str = "low_confidence_dynamic"
    dllm_denoising_steps: int | None = None
    dllm_confidence_threshold: float = 0.85
    role: Any = "Hybrid"
    migration_backend: Any = "DLSlime"
    kv_transfer_config: Any = None
    piecewise_cudagraph_max_tokens: int | None = None

    def __post_init__(self) -> None:
        assert self.dtype in Dtypes
        assert self.tp >= 1, "invalid tp"
        assert 0 < self.cache_max_entry_count < 1, "invalid cache_max_entry_count"
        assert self.max_prefill_token_num >= 0, "invalid max_prefill_token_num"
        assert self.num_gpu_blocks >= 0, "invalid num_gpu_blocks"
        self.quant_policy = _quant_policy(self.quant_policy)
        assert self.device_type in ("cuda", "ascend", "maca", "camb"), (
            f"invalid device_type: {self.device_type}"
        )


def _quant_policy(value: int) -> QuantPolicy:
    try:
        return QuantPolicy(value)
    except ValueError as error:
        raise ValueError(f"invalid quant_policy: {value}") from error


@dataclass
class ScheduleMetrics:
    active_seqs: int = 0
    waiting_seqs: int = 0
    cache_usage: float = 0.0
    prefix_cache_hit_rate: float = 0
    scheduler_tick: int = 0


@dataclass
class RequestMetrics:
    token_timestamp: float = 0.0
    engine_events: list[Any] = field(default_factory=list)
    spec_info: dict[str, Any] | None = None
    cached_tokens: int = 0


@dataclass
class EngineOutput:
    status: ResponseType
    token_ids: list[int]
    logprobs: list[dict[int, float]] | None = None
    logits: Any = None
    last_hidden_state: Any = None
    cache_block_ids: list[int] | None = None
    req_metrics: RequestMetrics | None = None
    routed_experts: Any = None
    ce_loss: float | None = None
