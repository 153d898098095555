"""LoRA adapters in TensorRT-LLM's own terms."""

from collections.abc import Mapping
from typing import Any

from common.errors import InvalidValue
from common.models.adapters import Adapter
from common.models.model import Model
from common.settings import Settings

ADAPTER_TARGETS: Mapping[str, str] = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_dense",
    "gate_proj": "mlp_h_to_4h",
    "down_proj": "mlp_4h_to_h",
    "up_proj": "mlp_gate",
    "gate_up_proj": "mlp_gate_up",
}
"""Its names of the modules that adapters change, but for experts (tensorrt_llm/lora_helper.py)."""
ATTENTION_INPUTS = frozenset({"q_proj", "k_proj", "v_proj"})
"""It wants all of them or none."""


def lora_config(settings: Settings, model: Model) -> Any:
    """Returns what makes room for all adapters on the device and in the machine's memory.

    Where clients load some, nothing says which modules they will change: room is made for all.
    """
    from tensorrt_llm.lora_helper import LoraConfig

    targets = frozenset[str]().union(*(adapter.targets for adapter in model.adapters))
    if settings.adapter_loading:
        targets = frozenset(ADAPTER_TARGETS)
    elif targets & ATTENTION_INPUTS:
        targets |= ATTENTION_INPUTS
    return LoraConfig(
        lora_target_modules=[name for key, name in ADAPTER_TARGETS.items() if key in targets],
        max_lora_rank=settings.max_adapter_rank,
        max_loras=settings.adapter_slots,
        max_cpu_loras=settings.adapter_slots,
    )


def check_targets(adapter: Adapter) -> None:
    """Raises InvalidValue for an adapter of modules that TensorRT-LLM gives none."""
    others = sorted(adapter.targets - ADAPTER_TARGETS.keys())
    if others:
        raise InvalidValue(
            f"{adapter.name!r} changes {', '.join(others)}; TensorRT-LLM takes adapters of "
            f"{', '.join(ADAPTER_TARGETS)}",
            param="lora_path",
        )


def lora_request(adapter: Adapter | None) -> Any:
    """Returns its LoRARequest, whose number is in the keys of its prefix cache."""
    if adapter is None:
        return None
    from tensorrt_llm.executor import LoRARequest

    return LoRARequest(adapter.key, adapter.number, str(adapter.path))
