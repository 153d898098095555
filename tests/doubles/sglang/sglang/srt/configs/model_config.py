"""What the engine reads from the model's files."""

import json
import os
from pathlib import Path
from typing import Any

from ..server_args import ServerArgs

ALLOW_LONGER = "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN"


class ModelConfig:
    """Raises ValueError for a context that is longer than the model's."""

    def __init__(self, server_args: ServerArgs) -> None:
        self.path = Path(server_args.model_path)
        config = self._read("config.json")
        derived = config["max_position_embeddings"]
        requested = server_args.context_length
        longer = requested is not None and requested > derived
        if longer and os.environ.get(ALLOW_LONGER, "").lower() not in ("1", "true"):
            raise ValueError(
                f"context_length ({requested}) is greater than the derived context_length "
                f"({derived}). To allow overriding this maximum, set the env var {ALLOW_LONGER}=1"
            )
        self.context_len: int = derived if requested is None else requested
        self.vocab_size: int = config["vocab_size"]
        self.hf_eos_token_id = {
            config["eos_token_id"],
            self._read("generation_config.json")["eos_token_id"],
        }

    def _read(self, name: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.path / name).read_text("utf-8"))
        return value
