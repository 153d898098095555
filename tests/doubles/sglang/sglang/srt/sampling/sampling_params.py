"""How tokens are chosen: SGLang's names, defaults and ranges."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TOP_K_ALL = 1 << 30
GREEDY_BELOW = 1e-6
GRAMMARS = ("json_schema", "regex", "ebnf", "structural_tag")


@dataclass(kw_only=True)
class SamplingParams:
    max_new_tokens: int | None = 128
    stop: Any = None
    stop_token_ids: Any = None
    stop_regex: Any = None
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = TOP_K_ALL
    min_p: float = 0.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0
    min_new_tokens: int = 0
    n: int = 1
    beam_width: int | None = None
    json_schema: str | None = None
    regex: str | None = None
    ebnf: str | None = None
    structural_tag: str | None = None
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    spaces_between_special_tokens: bool = True
    no_stop_trim: bool = False
    stream_interval: int | None = None
    logit_bias: dict[str, float] | None = None
    sampling_seed: int | None = None
    custom_params: Any = None
    watermark: Any = None
    stop_strs: Any = None
    stop_regex_strs: Any = None
    stop_str_max_len: int = 0
    stop_regex_max_len: int = 0
    is_normalized: bool = False
    ebnf_full_assistant: bool = False

    def __post_init__(self) -> None:
        self.stop_strs = self.stop
        self.stop_regex_strs = self.stop_regex
        self.stop_token_ids = {int(token) for token in self.stop_token_ids or ()} or None
        for name in GRAMMARS:
            setattr(self, name, getattr(self, name) or None)
        if 0 <= self.temperature < GREEDY_BELOW:
            self.temperature, self.top_k = 1.0, 1
        if self.top_k == -1:
            self.top_k = TOP_K_ALL

    def verify(self, vocab_size: int) -> None:
        """Raises ValueError for what is out of range."""
        temperature = math.isfinite(self.temperature) and self.temperature >= 0
        _require(temperature, "temperature must be a non-negative finite number", self.temperature)
        _require(0 < self.top_p <= 1, "top_p must be in (0, 1]", self.top_p)
        _require(0 <= self.min_p <= 1, "min_p must be in [0, 1]", self.min_p)
        _require(self.top_k >= 1, "top_k must be -1 (disable) or at least 1", self.top_k)
        for name in ("frequency_penalty", "presence_penalty"):
            value = getattr(self, name)
            _require(-2 <= value <= 2, f"{name} must be in [-2, 2]", value)
        repetition = self.repetition_penalty
        _require(0 < repetition <= 2, "repetition_penalty must be in (0, 2]", repetition)
        _require(self.min_new_tokens >= 0, "min_new_tokens is negative", self.min_new_tokens)
        if self.max_new_tokens is not None:
            limit = self.max_new_tokens
            _require(limit >= 0, "max_new_tokens must be at least 0", limit)
            least = self.min_new_tokens
            _require(least <= limit, f"min_new_tokens must be in [0, {limit}]", least)
        for key in self.logit_bias or ():
            known = 0 <= int(key) < vocab_size
            _require(known, f"logit_bias must has keys in [0, {vocab_size - 1}]", key)
        seed = self.sampling_seed
        _require(seed is None or isinstance(seed, int), "sampling_seed must be an integer", seed)
        given = [name for name in GRAMMARS if getattr(self, name) is not None]
        _require(len(given) < 2, "Only one grammar can be set", given)

    def normalize(self, tokenizer: Any) -> None:
        """Raises ValueError for what needs a tokenizer where there is none."""
        self.stop_strs = _listed(self.stop_strs)
        self.stop_regex_strs = _listed(self.stop_regex_strs)
        wanting = self.stop_strs or self.stop_regex_strs or self.min_new_tokens
        if tokenizer is None and wanting:
            raise ValueError("stop, stop_regex and min_new_tokens need a tokenizer")
        self.stop = self.stop_regex = None
        self.is_normalized = True


def _require(fine: bool, rule: str, value: object) -> None:
    if not fine:
        raise ValueError(f"{rule}, got {value}.")


def _listed(value: str | Iterable[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
