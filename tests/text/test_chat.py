"""Which tokens end an answer, by all of a model's files, and what is said where they differ."""

from pathlib import Path
from typing import Any

import pytest

from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings
from common.text.chat import Chat, open_chat
from tests.in_process import echo_runtime
from tests.model_directories import change_json, demo_copy

PAD, END = 3, 2
NO_LIMIT = 1000000000000000019884624838656


def opened(folder: Path, **settings: Any) -> Chat:
    asked = Settings(**settings)
    return open_chat(asked, open_model(asked, folder))


def demo(folder: Path, *, tokenizer: dict[str, Any] | None = None, **config: Any) -> Path:
    """Returns a copy whose generation_config says the same end token as its config."""
    demo_copy(folder, **config)
    if "eos_token_id" in config:
        change_json(folder / "generation_config.json", {"eos_token_id": config["eos_token_id"]})
    change_json(folder / "tokenizer_config.json", tokenizer or {})
    return folder


def test_the_demo_models_files_agree(caplog: pytest.LogCaptureFixture) -> None:
    assert opened(DEMO_MODEL).model.end_token_ids == {END}
    assert caplog.messages == []


def test_an_answer_ends_at_the_end_of_a_turn_though_the_config_says_otherwise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chat = opened(demo(tmp_path / "demo", eos_token_id=PAD))
    assert chat.model.end_token_ids == {END, PAD}
    (message,) = caplog.messages
    for named in (
        "generation_config.json '<|pad|>' (3)",
        "config.json '<|pad|>' (3)",
        "tokenizer_config.json '<|im_end|>' (2)",
        "the chat template '<|im_end|>' (2)",
        "each of them ends an answer",
    ):
        assert named in message


@pytest.mark.parametrize(
    ("config", "tokenizer"), [({}, {"eos_token": None}), ({"eos_token_id": None}, {})]
)
def test_the_template_says_how_a_turn_ends(
    tmp_path: Path, config: dict[str, Any], tokenizer: dict[str, Any]
) -> None:
    folder = demo(tmp_path / "demo", tokenizer=tokenizer, **config)
    assert opened(folder).model.end_token_ids == {END}


async def test_the_engine_knows_all_of_them(tmp_path: Path) -> None:
    runtime, client = await echo_runtime(demo(tmp_path / "demo", eos_token_id=PAD))
    await client.aclose()
    assert runtime.engine.model.end_token_ids == {END, PAD}


@pytest.mark.parametrize(
    ("limit", "settings", "expected"),
    [
        (4096, {}, None),
        (NO_LIMIT, {}, None),
        (1024, {}, "config.json 4096 tokens and tokenizer_config.json 1024; config.json counts"),
        (1024, {"max_model_len": 512}, None),
        (8192, {}, "8192; config.json counts, and max_model_len may be up to 8192"),
        (8192, {"max_model_len": 8192}, "config.json 4096 tokens and tokenizer_config.json 8192"),
    ],
)
def test_contexts_that_differ_are_named_once(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    limit: int,
    settings: dict[str, Any],
    expected: str | None,
) -> None:
    opened(demo(tmp_path / "demo", tokenizer={"model_max_length": limit}), **settings)
    if expected is None:
        assert caplog.messages == []
        return
    (message,) = caplog.messages
    assert expected in message
