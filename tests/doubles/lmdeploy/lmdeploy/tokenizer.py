"""The model's tokenizer; text is held back while a character is incomplete."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer as FastTokenizer


@dataclass
class DetokenizeState:
    ids_offset: int = 0
    prev_tokens: list[str] | None = None
    prefix_offset: int = 0
    read_offset: int = 0


class Tokenizer:
    def __init__(self, model_path: str, trust_remote_code: bool = False) -> None:
        self._fast = FastTokenizer.from_file(str(Path(model_path) / "tokenizer.json"))
        config = json.loads((Path(model_path) / "tokenizer_config.json").read_text("utf-8"))
        self._eos: int | None = self._fast.token_to_id(config["eos_token"])

    @property
    def eos_token_id(self) -> int | None:
        return self._eos

    def decode(
        self, t: Sequence[int], offset: int | None = None, skip_special_tokens: bool = True
    ) -> str:
        return self._fast.decode(list(t), skip_special_tokens=skip_special_tokens)

    def detokenize_incrementally(
        self,
        all_input_ids: Sequence[int],
        state: DetokenizeState,
        skip_special_tokens: bool = True,
        spaces_between_special_tokens: bool = True,
    ) -> tuple[str, DetokenizeState]:
        """What is new since `state`, "" while it ends in the middle of a character."""
        start = state.prefix_offset or state.ids_offset
        before = self.decode(all_input_ids[start : max(start, state.read_offset)])
        text = self.decode(all_input_ids[start:], skip_special_tokens=skip_special_tokens)
        end = len(all_input_ids)
        if text.endswith("\ufffd"):
            return "", DetokenizeState(end, None, start, state.read_offset or start)
        return text[len(before) :], DetokenizeState(end, None, start, end)
