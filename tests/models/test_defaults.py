"""Sizes that a config leaves out are those that transformers takes."""

import tomllib
import warnings
from typing import Any

import pytest

from common.models.config import ModelConfig
from common.models.language_model import FILE, LANGUAGE_MODELS

TABLES: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text("utf-8"))
WHOLE = TABLES.pop("language_models")


def classes() -> Any:
    with warnings.catch_warnings(action="ignore"):
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return CONFIG_MAPPING


@pytest.mark.parametrize("model_type", TABLES)
def test_every_default_is_that_of_the_configuration_class(model_type: str) -> None:
    names = {name for table in TABLES.values() for name in table}
    own = classes()[model_type]
    expected = {name: getattr(own, name) for name in names if hasattr(own, name)}
    # What is None or False there is a size, or a part, that a model has only if its config says so.
    sizes = {n: value for n, value in expected.items() if isinstance(value, int)}
    assert TABLES[model_type] == {n: value for n, value in sizes.items() if value is not False}


@pytest.mark.parametrize("whole", WHOLE)
def test_the_language_model_of_a_whole_one_is_of_the_type_that_transformers_takes(
    whole: str,
) -> None:
    assert classes()[whole]().get_text_config().model_type == WHOLE[whole]
    assert ModelConfig({"model_type": whole, "text_config": {}}).model_type == WHOLE[whole]


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_each_name_of_a_nested_config_is_read(name: str) -> None:
    nested = {"model_type": "qwen2", "hidden_size": 64, "torch_dtype": None}
    found = ModelConfig({"model_type": "whole", "dtype": "bfloat16", name: nested})
    assert found.multimodal
    assert (found.model_type, found.whole_type) == ("qwen2", "whole")
    assert (found.text["hidden_size"], found.text["num_hidden_layers"]) == (64, 32)
    assert found.dtype == "bfloat16"


def test_a_null_of_a_config_is_no_missing_size() -> None:
    found = ModelConfig({"model_type": "mistral", "sliding_window": None})
    assert found.text["sliding_window"] is None
    assert ModelConfig({"model_type": "mistral"}).text["sliding_window"] == 4096
