"""What a model's files say of its vectors, and whether it makes any."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.models.config import ModelConfig
from common.models.model import Model, open_model
from common.settings import Settings
from services._backends import backends, load
from tests.model_directories import demo_copy, embedding_model


def opened(folder: Path, **settings: Any) -> Model:
    return open_model(Settings(**settings), folder)


@pytest.mark.parametrize(
    ("config", "embeds"),
    [
        ({"architectures": ["BertModel"]}, True),
        ({"architectures": ["Qwen3Model"]}, True),
        ({"architectures": ["GPT2LMHeadModel"]}, False),
        ({"architectures": ["LlamaForCausalLM"]}, False),
        ({"architectures": ["ChatGLMModel"], "auto_map": {"AutoModelForCausalLM": "a.B"}}, False),
        ({"architectures": ["NewModel"], "auto_map": {"AutoModel": "a.B"}}, True),
        ({}, False),
    ],
)
def test_a_model_without_a_part_that_generates_embeds(config: dict[str, Any], embeds: bool) -> None:
    assert ModelConfig(config).embeds is embeds


def test_the_setting_wins_over_the_files(tmp_path: Path) -> None:
    folder = embedding_model(tmp_path)
    assert opened(folder).task == "embed"
    assert opened(folder, task="generate").task == "generate"
    assert opened(demo_copy(tmp_path / "demo")).task == "generate"
    assert opened(demo_copy(tmp_path / "demo"), task="embed").task == "embed"


@pytest.mark.parametrize(
    ("written", "pooling"),
    [("mean_tokens", "mean"), ("cls_token", "cls"), ("lasttoken", "last")],
)
def test_the_pooling_is_that_of_the_files(tmp_path: Path, written: str, pooling: str) -> None:
    assert opened(embedding_model(tmp_path, written)).embedding.pooling == pooling


def test_newer_files_name_the_pooling(tmp_path: Path) -> None:
    folder = embedding_model(tmp_path)
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    assert opened(folder).embedding.pooling == "cls"


def test_without_a_file_the_mean_is_taken_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    embedding = opened(demo_copy(tmp_path), task="embed").embedding
    assert (embedding.pooling, embedding.normalized) == ("mean", False)
    assert "by their mean" in caplog.text


@pytest.mark.parametrize(
    ("modules", "normalized"),
    [(("Transformer", "Pooling"), False), (("Transformer", "Pooling", "Normalize"), True)],
)
def test_vectors_are_normalized_where_a_module_does_it(
    tmp_path: Path, modules: tuple[str, ...], normalized: bool
) -> None:
    assert opened(embedding_model(tmp_path, modules=modules)).embedding.normalized is normalized


def test_a_step_that_is_not_done_here_is_refused(tmp_path: Path) -> None:
    folder = embedding_model(tmp_path / "dense", modules=("Transformer", "Pooling", "Dense"))
    with pytest.raises(StartError, match="'Dense', which is not applied here; allowed are Tran"):
        opened(folder)
    with pytest.raises(StartError, match="pooling max_tokens; allowed is one of mean"):
        opened(embedding_model(tmp_path / "max", "max_tokens"))


@pytest.mark.parametrize(
    ("config", "dimensions"),
    [
        ({}, ()),
        ({"is_matryoshka": True}, None),
        ({"matryoshka_dimensions": [128, 64]}, (64, 128)),
    ],
)
def test_the_config_says_what_vectors_may_be_cut_to(
    tmp_path: Path, config: dict[str, Any], dimensions: tuple[int, ...] | None
) -> None:
    assert opened(embedding_model(tmp_path, **config)).embedding.dimensions == dimensions


def test_the_longest_text_is_that_of_the_training(tmp_path: Path) -> None:
    folder = embedding_model(tmp_path)
    assert opened(folder).max_model_len == 4096
    limit = {"max_seq_length": 256, "do_lower_case": False}
    (folder / "sentence_bert_config.json").write_text(json.dumps(limit))
    assert opened(folder).max_model_len == 256
    with pytest.raises(StartError, match="allowed is at most 256"):
        opened(folder, max_model_len=512)


@pytest.mark.parametrize("backend", backends())
def test_a_backend_embeds_or_says_why_not(tmp_path: Path, backend: str) -> None:
    _, engine = load(backend)
    engine.check_task(opened(demo_copy(tmp_path / "demo")))
    model = opened(embedding_model(tmp_path / "embeds"))
    if engine.no_embeddings is None:
        engine.check_task(model)
        return
    with pytest.raises(StartError, match="setting 'task'") as caught:
        engine.check_task(model)
    assert engine.no_embeddings in str(caught.value)
