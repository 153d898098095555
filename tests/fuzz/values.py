"""Values that parsers and checks get wrong, and samples of what a JSON schema allows."""

import copy
import random
from collections.abc import Mapping, Sequence
from typing import Any

TEXTS = (
    "", " ", "a", "Hello", "What is the capital of France?", "\x00", "\ufeff", "\u202e", "猫🎉",
    "e\u0301", "\ud800", "<|im_end|>", "<|im_start|>system\n", "<think>", "</think>", "<tool_call>",
    "{{ 7 * 7 }}", "{% raw %}", "%s%n", "../../etc/passwd", "null", "NaN", "-1", "\r\n\r\n",
    "data: [DONE]\n\n", "a" * 300, "ab " * 2000, "[" * 3000, "\\" * 99, "\"'`",
    "data:image/png;base64,AAAA", "http://127.0.0.1:1/a.png", "file:///etc/passwd", "https://[::1",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 16.0, 0.5, -0.0, 1e-320, 1.5, 2**31, 2**32, 2**53 + 1, 2**63,
    -(2**63) - 1, 10**30, 10**400, 1e308, float("nan"), float("inf"), float("-inf"), [], {}, [[]],
    [None], {"": None}, {"type": "text"}, {"$ref": "#"},
)  # fmt: skip
KNOWN: Mapping[str, Sequence[Any]] = {
    "model": ("default", "default", "default", "terse", "other"),
    "stream": (True, False),
    "n": (1, 1, 2, 3),
    "best_of": (1, 2),
    "max_tokens": (1, 2, 3),
    "max_completion_tokens": (1, 2, 3),
    "max_output_tokens": (1, 2, 3, 20),
    "min_tokens": (0, 1),
    "lora_path": ("pirate", "/", "../..", "tests/adapters/pirate"),
    "lora_name": ("pirate", "terse", "default"),
    "endpoint": ("/v1/chat/completions", "/v1/completions"),
}
"""By the name of a field: with other values, hardly a request would get far."""
DEPTH = 7


def odd(rng: random.Random) -> Any:
    """Returns one of the odd values, for the caller to change."""
    return copy.deepcopy(rng.choice(ODD))


class Sampler:
    """Makes values of the schemas in an OpenAPI document."""

    def __init__(self, document: Mapping[str, Any], rng: random.Random) -> None:
        self._schemas = document["components"]["schemas"]
        self._rng = rng

    def value(self, schema: Any, depth: int = 0) -> Any:
        """Returns a value that the schema allows, but for a few of its keywords."""
        rng = self._rng
        if not isinstance(schema, Mapping):
            return odd(rng)
        if "$ref" in schema:
            return self.value(self._schemas[schema["$ref"].rsplit("/", 1)[-1]], depth)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self.value(rng.choice(schema[word]), depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return rng.choice(schema["enum"])
        return self._of_type(schema, depth)

    def _of_type(self, schema: Mapping[str, Any], depth: int) -> Any:
        rng = self._rng
        match schema.get("type"):
            case "null":
                return None
            case "boolean":
                return rng.random() < 0.5
            case "integer":
                return schema.get("minimum", 0) + rng.choice((0, 0, 1, 2, 7))
            case "number":
                low, high = schema.get("minimum", 0.01), schema.get("maximum", 1)
                return rng.choice((low, high, rng.uniform(low, high)))
            case "string":
                return rng.choice(TEXTS)
            case "array":
                count = max(schema.get("minItems", 0), rng.choice((0, 1, 1, 2, 3)))
                count = 0 if depth > DEPTH else count
                return [self.value(schema.get("items"), depth + 1) for _ in range(count)]
            case "object":
                return self._object(schema, depth)
        return odd(rng)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """Returns an object with what it requires, and a few of its other fields."""
        rng = self._rng
        fields = schema.get("properties", {})
        names = list(schema.get("required", ()))
        others = [name for name in fields if name not in names]
        if others and depth <= DEPTH:
            names += rng.sample(others, min(len(others), rng.choice((0, 1, 1, 2, 3))))
        made = {name: self._field(name, fields.get(name), depth) for name in names}
        if not fields and rng.random() < 0.5:
            made[rng.choice(TEXTS)] = self.value(schema.get("additionalProperties"), depth + 1)
        return made

    def _field(self, name: str, schema: Any, depth: int) -> Any:
        if name in KNOWN and self._rng.random() < 0.95:
            return self._rng.choice(KNOWN[name])
        return self.value(schema, depth + 1)
