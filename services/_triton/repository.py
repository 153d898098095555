"""The model repository that tritonserver is started with: one model, `tensorrt_llm`.

The tensors and parameters are those of the `tensorrtllm` backend of TensorRT-LLM 1.2.1
(triton_backend/all_models/inflight_batcher_llm/tensorrt_llm/config.pbtxt in NVIDIA/TensorRT-LLM).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from common.settings import Settings
from services._compiled.tensorrt_engine import EngineConfig

MODEL = "tensorrt_llm"
BACKEND = "tensorrtllm"
CANCELLATION_CHECK_PERIOD_MS = 20
"""How soon the engine sees that a client has left; the backend's default is 100."""


class Tensor(NamedTuple):
    """`dims` are without the batch dimension. A scalar is [1] outside and has no dims inside."""

    name: str
    data_type: str
    dims: tuple[int, ...]
    optional: bool = True
    scalar: bool = False
    ragged: bool = False


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _scalars(data_type: str, names: str, *, optional: bool = True) -> Iterator[Tensor]:
    return (Tensor(name, data_type, (1,), optional, scalar=True) for name in _names(names))


def _ragged(data_type: str, dims: tuple[int, ...], names: str) -> Iterator[Tensor]:
    return (Tensor(name, data_type, dims, ragged=True) for name in _names(names))


INPUTS: tuple[Tensor, ...] = (
    *_scalars("INT32", "input_lengths request_output_len", optional=False),
    *_scalars(
        "INT32",
        "encoder_output_lengths num_return_sequences decoder_input_lengths end_id pad_id "
        "beam_width runtime_top_k runtime_top_p_reset_ids min_tokens prompt_vocab_size",
    ),
    *_scalars(
        "FP32",
        "draft_acceptance_threshold temperature runtime_top_p runtime_top_p_min "
        "runtime_top_p_decay len_penalty repetition_penalty beam_search_diversity_rate "
        "presence_penalty frequency_penalty",
    ),
    *_scalars(
        "BOOL",
        "early_stopping return_log_probs return_context_logits return_generation_logits "
        "return_perf_metrics return_num_input_tokens return_num_output_tokens "
        "exclude_input_in_output stop streaming",
    ),
    *_scalars("UINT64", "seed lora_task_id"),
    *_ragged(
        "INT32",
        (-1,),
        "input_ids draft_input_ids decoder_input_ids retention_token_range_starts "
        "retention_token_range_ends retention_token_range_priorities "
        "retention_token_range_durations_ms",
    ),
    *_ragged(
        "INT32",
        (1,),
        "retention_decode_priority retention_decode_duration_ms lookahead_window_size "
        "lookahead_ngram_size lookahead_verification_set_size",
    ),
    *_ragged("INT32", (2, -1), "stop_words_list bad_words_list"),
    *_ragged("INT32", (-1, 3), "lora_config"),
    *_ragged("FP32", (-1,), "embedding_bias"),
    *_ragged("FP32", (-1, -1), "draft_logits"),
    *_ragged("FP16", (-1, -1), "encoder_input_features prompt_embedding_table lora_weights"),
    *_ragged("UINT64", (-1,), "prompt_table_extra_ids"),
    *_ragged("UINT8", (-1,), "context_phase_params"),
    *_ragged("BOOL", (-1, -1), "cross_attention_mask"),
    *_ragged("BOOL", (1,), "skip_cross_attn_blocks"),
    *_ragged("STRING", (1,), "guided_decoding_guide_type guided_decoding_guide"),
    Tensor("mrope_rotary_cos_sin", "FP32", (-1,)),
    Tensor("mrope_position_deltas", "INT64", (1,)),
)

OUTPUTS: tuple[Tensor, ...] = (
    Tensor("output_ids", "INT32", (-1, -1)),
    Tensor("sequence_length", "INT32", (-1,)),
    Tensor("cum_log_probs", "FP32", (-1,)),
    Tensor("output_log_probs", "FP32", (-1, -1)),
    Tensor("context_logits", "FP32", (-1, -1)),
    Tensor("generation_logits", "FP32", (-1, -1, -1)),
    Tensor("batch_index", "INT32", (1,)),
    Tensor("sequence_index", "INT32", (1,)),
    Tensor("context_phase_params", "UINT8", (-1,)),
    Tensor("kv_cache_alloc_new_blocks", "INT32", (1,)),
    Tensor("kv_cache_reused_blocks", "INT32", (1,)),
    Tensor("kv_cache_alloc_total_blocks", "INT32", (1,)),
    Tensor("arrival_time_ns", "INT64", (1,)),
    Tensor("first_scheduled_time_ns", "INT64", (1,)),
    Tensor("first_token_time_ns", "INT64", (1,)),
    Tensor("last_token_time_ns", "INT64", (1,)),
    Tensor("acceptance_rate", "FP32", (1,)),
    Tensor("total_accepted_draft_tokens", "INT32", (1,)),
    Tensor("total_draft_tokens", "INT32", (1,)),
    Tensor("num_input_tokens", "INT32", (1,)),
    Tensor("num_output_tokens", "INT32", (1,)),
)

TUNING = _names(
    "max_tokens_in_paged_kv_cache max_attention_window_size sink_token_length "
    "batch_scheduler_policy kv_cache_free_gpu_mem_fraction cross_kv_cache_fraction "
    "kv_cache_onboard_blocks enable_trt_overlap "
    "cancellation_check_period_ms stats_check_period_ms iter_stats_max_iterations "
    "request_stats_max_iterations enable_kv_cache_reuse enable_chunked_context gpu_device_ids "
    "participant_ids num_nodes decoding_mode lookahead_window_size lookahead_ngram_size "
    "lookahead_verification_set_size medusa_choices eagle_choices gpu_weights_percent "
    "enable_context_fmha_fp32_acc multi_block_mode cuda_graph_mode cuda_graph_cache_size"
)
"""Parameters of the model that `engine_args` may set."""


def write_repository(root: Path, config: EngineConfig, settings: Settings) -> None:
    """Write the repository that serves `config`'s engine under `settings` into `root`."""
    (root / MODEL / "1").mkdir(parents=True)
    text = config_text(config, parameters(config, settings))
    (root / MODEL / "config.pbtxt").write_text(text, "utf-8")


def parameters(config: EngineConfig, settings: Settings) -> dict[str, str]:
    """Returns the model's parameters by name; those left out have the backend's defaults."""
    values: dict[str, Any] = {
        "gpt_model_type": "inflight_fused_batching",
        "gpt_model_path": str(config.path),
        "max_beam_width": 1,
        "exclude_input_in_output": True,
        # Probabilities among all tokens, not among those that top_k and top_p leave.
        "normalize_log_probs": False,
        "kv_cache_free_gpu_mem_fraction": settings.gpu_memory_utilization,
        "enable_kv_cache_reuse": settings.prefix_caching and config.paged_context_fmha,
        "enable_chunked_context": settings.chunked_prefill and config.paged_context_fmha,
        "cancellation_check_period_ms": CANCELLATION_CHECK_PERIOD_MS,
        # The backend does not load a model that lacks one of these.
        "tokenizer_dir": "",
        "guided_decoding_backend": "",
        "xgrammar_tokenizer_info_path": "",
    }
    if settings.kv_offload is not None:
        # Of each GPU; it keeps only what may be used again.
        size = int(settings.kv_offload * 2**30) // config.world_size
        values |= {"kv_cache_host_memory_bytes": size}
    values |= {name: value for name, value in settings.engine_args.items() if name in TUNING}
    return {name: _string(value) for name, value in values.items()}


def _string(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def config_text(config: EngineConfig, values: Mapping[str, str]) -> str:
    """config.pbtxt: a ModelConfig in protobuf's text format."""
    size = config.max_batch_size
    return "\n".join(
        (
            f"name: {_quoted(MODEL)}",
            f"backend: {_quoted(BACKEND)}",
            f"max_batch_size: {size}",
            "model_transaction_policy { decoupled: true }",
            "dynamic_batching {",
            f"  preferred_batch_size: [ {size} ]",
            "  max_queue_delay_microseconds: 0",
            "  default_queue_policy { max_queue_size: 0 }",
            "}",
            *_tensors("input", INPUTS),
            *_tensors("output", OUTPUTS),
            "instance_group { count: 1 kind: KIND_CPU }",
            *(
                f"parameters {{ key: {_quoted(name)} value {{ string_value: {_quoted(value)} }} }}"
                for name, value in values.items()
            ),
            "",
        )
    )


def _tensors(kind: str, tensors: Iterable[Tensor]) -> Iterator[str]:
    for tensor in tensors:
        fields = [
            f"name: {_quoted(tensor.name)}",
            f"data_type: TYPE_{tensor.data_type}",
            f"dims: {list(tensor.dims)}",
        ]
        if tensor.scalar:
            fields.append("reshape { shape: [] }")
        if kind == "input":
            fields += ["optional: true"] * tensor.optional
            fields += ["allow_ragged_batch: true"] * tensor.ragged
        yield f"{kind} {{ {' '.join(fields)} }}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
