"""The tokens that a model is for, in every way that configs say it."""

from typing import Any

import pytest

from common.models.config import ModelConfig


def scaled(kind: str | None, factor: float | None = 4.0, original: int | None = None) -> Any:
    scaling = {"rope_type": kind, "factor": factor, "original_max_position_embeddings": original}
    return {"rope_scaling": {name: value for name, value in scaling.items() if value is not None}}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 32768),
        (scaled("yarn", 4.0, 32768), 131072),
        (scaled("yarn"), 131072),
        ({"rope_scaling": {"type": "yarn", "factor": 4, **scaled(None)["rope_scaling"]}}, 131072),
        (scaled("yarn", 4.0, 4096), 32768),
        (scaled("linear", 2.0), 65536),
        (scaled("dynamic", 2.5), 81920),
        (scaled("llama3", 8.0, 8192), 32768),
        (scaled("longrope", 32.0, 4096), 32768),
        (scaled("su", 32.0, 4096), 32768),
        (scaled("mrope", None), 32768),
        (scaled("default", None), 32768),
        ({"rope_scaling": None, "rope_parameters": scaled("linear")["rope_scaling"]}, 131072),
        ({"rope_parameters": {"full_attention": scaled("linear")["rope_scaling"]}}, 131072),
        ({"model_type": "gemma3_text", **scaled("linear", 8.0)}, 32768),
        ({"model_max_length": 131072}, 131072),
        ({"model_max_length": 4096}, 32768),
    ],
)
def test_rope_scaling_makes_it_longer_where_it_says_so(
    config: dict[str, Any], expected: int
) -> None:
    assert ModelConfig({"max_position_embeddings": 32768, **config}).context_length == expected


@pytest.mark.parametrize("name", ["n_positions", "max_seq_len", "seq_length", "n_ctx"])
def test_other_names_of_the_limit_are_read(name: str) -> None:
    assert ModelConfig({name: 2048}).context_length == 2048
    assert ModelConfig({"text_config": {name: 2048}}).context_length == 2048


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (131072, 131072),
        (131072.0, 131072),
        (1024, 4096),
        (1000000000000000019884624838656, 4096),
        (1e30, 4096),
        (None, 4096),
        (-1, 4096),
        (True, 4096),
    ],
)
def test_a_tokenizer_may_say_more(limit: Any, expected: int) -> None:
    config = ModelConfig({"max_position_embeddings": 4096}, tokenizer={"model_max_length": limit})
    assert config.context_length == 4096
    assert config.longest_context == expected
