"""Model directories: checked before anything heavy, each fault is one clear line."""

import json
from pathlib import Path

import pytest

from common.errors import StartError
from common.models.model import DEMO_MODEL, local_directory, open_model
from common.settings import Settings


def write(directory: Path, config: object = None, **files: object) -> Path:
    directory.mkdir(exist_ok=True)
    value = {"max_position_embeddings": 128} if config is None else config
    (directory / "config.json").write_text(json.dumps(value))
    (directory / "tokenizer.json").write_text("{}")
    for name, content in files.items():
        (directory / f"{name}.json").write_text(json.dumps(content))
    return directory


def refusal(settings: Settings, path: Path) -> str:
    with pytest.raises(StartError) as caught:
        open_model(settings, path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_setting_the_demo_model_is_served() -> None:
    assert local_directory(Settings()) == DEMO_MODEL
    assert open_model(Settings(), DEMO_MODEL).served_name == "demo"


def test_a_directory_is_served_under_its_own_name(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny")
    settings = Settings(model=str(path))
    assert local_directory(settings) == path
    assert open_model(settings, path).served_name == "tiny"
    named = Settings(model=str(path), served_model_name="other")
    assert open_model(named, path).served_name == "other"


def test_a_hub_id_is_no_local_directory() -> None:
    settings = Settings(model="org/name")
    assert local_directory(settings) is None


@pytest.mark.parametrize(
    "name", ["/no/such/place", "./nothing", "~/nothing-here", "nothing", "a/b/c"]
)
def test_a_path_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(StartError, match="no directory"):
        local_directory(Settings(model=name))


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    (write(tmp_path) / missing).unlink()
    assert missing in refusal(Settings(model=str(tmp_path)), tmp_path)


def test_a_config_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (write(tmp_path) / "config.json").write_text("{")
    assert "config.json" in refusal(Settings(), tmp_path)
    (tmp_path / "config.json").write_text("[]")
    assert "config.json" in refusal(Settings(), tmp_path)


def test_the_context_is_the_models_or_less(tmp_path: Path) -> None:
    write(tmp_path)
    assert open_model(Settings(), tmp_path).max_model_len == 128
    assert open_model(Settings(max_model_len=64), tmp_path).max_model_len == 64
    message = refusal(Settings(max_model_len=129), tmp_path)
    assert "129" in message
    assert "128" in message


def test_without_a_limit_in_the_config_one_has_to_be_set(tmp_path: Path) -> None:
    write(tmp_path, config={"model_type": "x"})
    assert "max_model_len" in refusal(Settings(), tmp_path)
    assert open_model(Settings(max_model_len=64), tmp_path).max_model_len == 64


@pytest.mark.parametrize(
    ("config", "generation", "expected"),
    [
        ({"eos_token_id": 2}, None, {2}),
        ({"eos_token_id": [2, 3]}, None, {2, 3}),
        ({"eos_token_id": 2}, {"eos_token_id": [5, 6]}, {2, 5, 6}),
        ({"eos_token_id": 2}, {"temperature": 0.6}, {2}),
        ({"text_config": {"eos_token_id": 7}}, None, {7}),
        ({"text_config": {"vocab_size": 9}, "eos_token_id": [1, 6]}, None, {1, 6}),
        ({"text_config": {"eos_token_id": 7}, "eos_token_id": 6}, {"eos_token_id": 8}, {6, 7, 8}),
        ({"thinker_config": {"text_config": {"eos_token_id": 5}}}, None, {5}),
        ({}, None, set()),
        ({"eos_token_id": None}, None, set()),
    ],
)
def test_end_tokens_are_those_of_all_files_and_levels(
    tmp_path: Path, config: object, generation: object, expected: set[int]
) -> None:
    write(tmp_path, config=config)
    if generation is not None:
        write(tmp_path, config=config, generation_config=generation)
    assert open_model(Settings(max_model_len=64), tmp_path).end_token_ids == expected


def test_number_format_and_quantization_come_from_the_config(tmp_path: Path) -> None:
    settings = Settings(max_model_len=64)
    config = {"torch_dtype": "float16", "quantization_config": {"quant_method": "awq"}}
    model = open_model(settings, write(tmp_path / "a", config=config))
    assert (model.dtype, model.quantization) == ("float16", "awq")
    model = open_model(settings, write(tmp_path / "b", config={"text_config": {"dtype": "x"}}))
    assert (model.dtype, model.quantization) == ("x", "none")
    assert open_model(settings, write(tmp_path / "c", config={})).dtype == "float32"


def test_a_null_in_the_generation_config_leaves_the_configs_end_token(tmp_path: Path) -> None:
    path = write(
        tmp_path, {"eos_token_id": 7, "max_position_embeddings": 64, "quantization_config": None}
    )
    (path / "generation_config.json").write_text('{"eos_token_id": null}')

    model = open_model(Settings(), path)
    assert model.end_token_ids == {7}
    assert model.quantization == "none"
