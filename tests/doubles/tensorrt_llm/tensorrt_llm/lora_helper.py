"""How adapters are asked for."""

from dataclasses import dataclass

from tests.doubles.recorded import Recorded

MODULES = {
    "attn_q": "q_proj",
    "attn_k": "k_proj",
    "attn_v": "v_proj",
    "attn_dense": "o_proj",
    "mlp_h_to_4h": "gate_proj",
    "mlp_4h_to_h": "down_proj",
    "mlp_gate": "up_proj",
    "mlp_gate_up": "gate_up_proj",
}
"""Those of its names that the demo model has use for."""


class LoraConfig(Recorded, contract="trtllm", target="LoraConfig", make=dataclass(kw_only=True)):
    """Without a directory and without modules it makes room for all."""

    lora_target_modules: list[str]

    def __post_init__(self) -> None:
        unknown = set(self.lora_target_modules) - MODULES.keys()
        if unknown:
            raise ValueError(f"unknown LoRA modules: {unknown}")
