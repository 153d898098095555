"""Adapters, each read with its first request: a generator with changed weights."""

import json
from pathlib import Path

from tests.doubles.generation import DemoGenerator

from ..lora_helper import MODULES, LoraConfig
from .request import LoRARequest


class Adapters:
    """Raises ValueError for one that does not fit what there is room for."""

    def __init__(self, model: Path, config: LoraConfig) -> None:
        self._model = model
        self._rank = config.max_lora_rank
        self._targets = {MODULES[name] for name in config.lora_target_modules}
        self._generators: dict[LoRARequest, DemoGenerator] = {}

    def generator(self, request: LoRARequest) -> DemoGenerator:
        if request not in self._generators:
            path = Path(request.lora_path)
            config = json.loads((path / "adapter_config.json").read_text("utf-8"))
            if config["r"] > self._rank or not self._targets.issuperset(config["target_modules"]):
                raise ValueError(f"no room for the LoRA in {path}")
            self._generators[request] = DemoGenerator(self._model, adapter=path)
        return self._generators[request]

    def close(self) -> None:
        for generator in self._generators.values():
            generator.close()
