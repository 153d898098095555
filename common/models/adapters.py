"""LoRA adapters as PEFT writes them, checked against the model's files before one is loaded."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.files import read_json
from common.models.headers import read_header
from common.models.tensors import FLOATS, Tensor

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
WHOLE_NUMBERS = (*FLOATS, "float8_e4m3", "float8_e5m2")
"""Number formats in which a matrix of a checkpoint has its own shape; others are packed."""
PART = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<part>[AB])\.weight")
LAYER = re.compile(r"(?:^|\.)((?:layers|h|blocks)\.\d+\..+)")
"""Finds a layer's module, before which models and adapters of them have different prefixes."""
REFUSED: Mapping[str, str] = {
    "alora_invocation_tokens": "an aLoRA begins in the middle of a prompt",
    "bias": "it replaces biases of the model",
    "layer_replication": "it repeats layers of the model",
    "lora_bias": "it adds biases",
    "modules_to_save": "it replaces whole modules of the model",
    "target_parameters": "it changes parameters that are in no linear layer",
    "trainable_token_indices": "it replaces embeddings of tokens",
    "use_bdlora": "a block-diagonal LoRA is another computation",
    "use_dora": "DoRA is another computation",
    "use_qalora": "QA-LoRA is another computation",
}
"""Fields of an adapter's config with which it is more than low-rank matrices for linear layers."""
CHANGED_BASES = ("corda", "loftq", "lora_ga", "olora", "pissa")
"""Values with which `init_lora_weights` begins where training has changed the model too."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that was checked. `number` is from 1 on and never given twice in a process, so
    that nothing which an engine keeps by it is mixed up with an earlier one of the same name.
    `targets` are the last names of the modules that it changes, such as q_proj."""

    name: str
    path: Path
    number: int
    rank: int
    targets: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """A name for the engine that no other adapter of the process has."""
        return f"{self.name}@{self.number}"


@dataclass(frozen=True)
class AdapterCheck:
    """Says which adapters fit: `tensors` are those of the model, None where no weight files were
    seen; `gaps` are fields of their configs that the engine lacks, with reasons."""

    tensors: tuple[Tensor, ...] | None
    max_rank: int
    gaps: Mapping[str, str]

    def open(self, name: str, path: Path, number: int) -> Adapter:
        """Returns the adapter in a directory; reads its config and the header of its weights.

        Raises StartError, one line, for one that is broken or made for another model.
        """
        config = _read_config(path, {**REFUSED, **self.gaps})
        parts = _read_parts(path / ADAPTER_WEIGHTS)
        self._check_targets(config.get("target_modules"))
        for module, (down, up) in parts.items():
            self._check_module(module, down, up, reverse=bool(config.get("fan_in_fan_out")))
        rank = max(down.shape[0] for down, _ in parts.values())
        if rank > self.max_rank:
            raise StartError(
                f"its rank is {rank}; allowed is at most {self.max_rank}, or raise the setting "
                "max_adapter_rank"
            )
        targets = frozenset(module.rpartition(".")[2] for module in parts)
        return Adapter(name, path, number, rank, targets)

    @cached_property
    def _weights(self) -> Mapping[str, Tensor]:
        return {tensor.name: tensor for tensor in self.tensors or ()}

    @cached_property
    def _modules(self) -> Mapping[str, str]:
        """The model's modules by their names, and by those without what is before the layers."""
        names: dict[str, str] = {}
        for name in self._weights:
            while name := name.rpartition(".")[0]:
                names[name] = name
                names.setdefault(_in_layer(name), name)
        return names

    def _check_targets(self, targets: Any) -> None:
        for target in targets if isinstance(targets, list) and self.tensors is not None else ():
            known = any(f".{name}".endswith(f".{target}") for name in self._modules)
            if not known and target != "lm_head":
                raise StartError(f"its target_modules have {target!r}, which the model has not")

    def _check_module(self, module: str, down: Tensor, up: Tensor, *, reverse: bool) -> None:
        if down.shape[0] != up.shape[1]:
            raise StartError(
                f"{module}: its two matrices have the ranks {down.shape[0]} and {up.shape[1]}"
            )
        if self.tensors is None:
            return
        own = self._modules.get(module) or self._modules.get(_in_layer(module))
        if own is None and module != "lm_head":
            raise StartError(f"it is for another model: {module} is not in this one")
        weight = self._weights.get(f"{own}.weight")
        if weight is None or len(weight.shape) != 2 or weight.dtype not in WHOLE_NUMBERS:
            return
        shape = (down.shape[1], up.shape[0])[:: 1 if reverse else -1]
        if shape != weight.shape:
            raise StartError(
                f"it is for another model: {module} is a matrix of {shape[0]} x {shape[1]} for "
                f"it, and of {weight.shape[0]} x {weight.shape[1]} in this one"
            )


def _in_layer(module: str) -> str:
    match = LAYER.search(module)
    return module if match is None else match[1]


def _read_config(path: Path, refused: Mapping[str, str]) -> dict[str, Any]:
    if not (path / ADAPTER_CONFIG).is_file():
        raise StartError(
            f"{path} has no {ADAPTER_CONFIG}; needed is a directory as PEFT's save_pretrained() "
            "writes it"
        )
    config = read_json(path / ADAPTER_CONFIG)
    if config.get("peft_type") != "LORA":
        raise StartError(f"its peft_type is {config.get('peft_type')!r}; allowed is 'LORA'")
    for field, reason in refused.items():
        if config.get(field) not in (None, False, "none", [], {}):
            raise StartError(f"its config has {field}: {reason}")
    if str(config.get("init_lora_weights")).lower().startswith(CHANGED_BASES):
        raise StartError(
            f"its init_lora_weights is {config['init_lora_weights']!r}, by which training has "
            "changed the model too; convert it to a plain LoRA with PEFT"
        )
    return config


def _read_parts(file: Path) -> Mapping[str, tuple[Tensor, Tensor]]:
    """Returns both matrices of each module that the adapter changes, by the module's name."""
    if not file.is_file():
        raise StartError(
            f"{file.parent} has no {ADAPTER_WEIGHTS}, its weights; others are not read"
        )
    parts: dict[str, dict[str, Tensor]] = {}
    for tensor in read_header(file):
        match = PART.fullmatch(tensor.name)
        if match is None or len(tensor.shape) != 2:
            raise StartError(f"its tensor {tensor.name} is no matrix of a LoRA of linear layers")
        parts.setdefault(match["module"], {})[match["part"]] = tensor
    for module, both in parts.items():
        if len(both) < 2:
            raise StartError(f"of {module} it has one matrix only, lora_{next(iter(both))}")
    if not parts:
        raise StartError(f"{file} holds no tensors")
    return {module: (both["A"], both["B"]) for module, both in parts.items()}


def scaling(config: Mapping[str, Any], module: str, rank: int) -> float:
    """Returns the factor of what the matrices of a module compute."""
    patterns: Iterable[tuple[str, float]] = (config.get("alpha_pattern") or {}).items()
    alphas = (alpha for key, alpha in patterns if re.fullmatch(rf"(.*\.)?({key})", module))
    alpha = float(next(alphas, config.get("lora_alpha", 8)))
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)
