"""How the engine is set up; None is decided by the engine."""

import json
from dataclasses import field
from typing import Any

from tests.doubles.recorded import Recorded


class EngineConfig(Recorded, contract="mlc_llm", target="mlc_llm.serve.config:EngineConfig"):
    additional_models: Any = field(default_factory=list)

    def asjson(self) -> str:
        return json.dumps(vars(self))

    @staticmethod
    def from_json(json_str: str) -> "EngineConfig":
        return EngineConfig(**json.loads(json_str))
