"""The ids that a model has, where its config and its tokenizer say different things."""

import logging
from pathlib import Path
from typing import Any

import pytest

from common.errors import InvalidValue, StartError
from common.http.schemas import GenerateBody
from common.models.model import Model, open_model
from common.settings import Settings
from common.text.tokenizer import Tokenizer
from common.text.vocabulary import Vocabulary, open_vocabulary
from tests.contract.support import CHAT, COMPLETIONS, GENERATE, assert_error, user
from tests.in_process import echo_runtime
from tests.model_directories import EXTRA, add_tokens, change_json, demo_copy

TOOL = {"type": "function", "function": {"name": "look"}}


def model(folder: Path) -> Model:
    return open_model(Settings(), folder)


def vocabulary(folder: Path) -> Vocabulary:
    return open_vocabulary(model(folder), Tokenizer(folder))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"vocab_size": None, "text_config": {"vocab_size": 768, "max_position_embeddings": 4096}},
        {"vocab_size": 5, "text_config": {"vocab_size": 768, "max_position_embeddings": 4096}},
        {"text_config": {"max_position_embeddings": 4096}},
    ],
)
def test_the_config_says_how_many_ids_the_model_has(tmp_path: Path, config: dict[str, Any]) -> None:
    folder = add_tokens(demo_copy(tmp_path / "demo", **config))
    assert vocabulary(folder) == Vocabulary(size=768, tokenizer_size=769)


def test_a_config_without_a_size_leaves_the_tokenizers(tmp_path: Path) -> None:
    folder = add_tokens(demo_copy(tmp_path / "demo", vocab_size=None, model_type="new"))
    assert vocabulary(folder) == Vocabulary(size=769, tokenizer_size=769)


async def test_ids_that_only_the_model_has_are_valid_in_prompts(tmp_path: Path) -> None:
    """An echo says them again, which the tokenizer has no text for."""
    folder = demo_copy(tmp_path / "demo", vocab_size=1024)
    _, client = await echo_runtime(folder)
    async with client as http:
        body = {"prompt": [5, 1023], "max_tokens": 4, "echo": True, "stop_token_ids": [1000]}
        response = await http.post(COMPLETIONS, json=body)
        assert response.status_code == 200, response.text
        assert response.json()["usage"]["completion_tokens"] == 4
        response = await http.post(COMPLETIONS, json={"prompt": [5, 1024]})
        message = assert_error(response, 400, "invalid_value", "prompt")
        assert message == "token id 1024 is not in the vocabulary; allowed are 0 to 1023"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CHAT, {"messages": user("Hello"), "chat_template_kwargs": {"tail": EXTRA}}, "messages"),
        (GENERATE, {"prompt": "Hello", "system_prompt": EXTRA}, "prompt"),
        (COMPLETIONS, {"prompt": [5], "logit_bias": {"768": 1}}, "logit_bias"),
        (COMPLETIONS, {"prompt": [5], "logit_bias": {"-1": 1}}, "logit_bias"),
    ],
)
async def test_ids_from_templates_and_settings_are_refused(
    tmp_path: Path, path: str, body: dict[str, Any], param: str
) -> None:
    folder = add_tokens(demo_copy(tmp_path / "demo"), [EXTRA])
    template = tmp_path / "template.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}{{ tail }}")
    _, client = await echo_runtime(folder, chat_template=str(template))
    async with client as http:
        assert_error(await http.post(path, json=body), 400, "invalid_value", param)
        plain = await http.post(GENERATE, json={"prompt": "Hello", "max_tokens": 1})
        assert plain.status_code == 200


async def test_the_way_of_code_in_the_same_process_is_guarded_too(tmp_path: Path) -> None:
    runtime, _ = await echo_runtime(add_tokens(demo_copy(tmp_path / "demo")))
    with pytest.raises(InvalidValue, match="the model lacks"):
        await runtime.generate_job("in-process", GenerateBody(prompt=EXTRA))


def test_the_warning_names_how_many_and_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = add_tokens(demo_copy(tmp_path / "demo"), [f"<|{n}|>" for n in range(7)])
    with caplog.at_level(logging.WARNING, "bentoml.llm.vocabulary"):
        vocabulary(folder)
    (message,) = caplog.messages
    assert "7 tokens that the model lacks, whose vocab_size is 768" in message
    assert "'<|0|>' (768), " in message
    assert "'<|4|>' (772) …" in message


def test_nothing_is_said_of_a_tokenizer_that_the_model_covers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "bentoml.llm.vocabulary"):
        vocabulary(demo_copy(tmp_path / "demo", vocab_size=1024))
    assert caplog.messages == []


def test_end_ids_that_the_model_lacks_are_left_out(tmp_path: Path) -> None:
    folder = demo_copy(tmp_path / "demo")
    change_json(folder / "generation_config.json", {"eos_token_id": [2, 767, 768, -1]})
    assert model(folder).end_token_ids == {2, 767}


def test_a_tokenizer_whose_end_token_the_model_lacks_does_not_start(tmp_path: Path) -> None:
    folder = add_tokens(demo_copy(tmp_path / "demo"))
    change_json(folder / "tokenizer_config.json", {"eos_token": EXTRA})
    with pytest.raises(StartError, match="eos_token is token id 768, which the model") as caught:
        vocabulary(folder)
    assert "\n" not in str(caught.value)


def test_a_gap_in_the_tokenizers_ids_hides_none_behind_it(tmp_path: Path) -> None:
    folder = demo_copy(tmp_path / "demo")
    change = {"type": "BPE", "vocab": {"a": 0, "b": 9}, "merges": []}
    change_json(folder / "tokenizer.json", {"model": change, "added_tokens": []})
    gapped = Tokenizer(folder)
    assert gapped.vocab_size == 10
    gapped.check([9], "tokens")
    assert gapped.decode([0, 5, 9])


def test_a_stop_string_that_is_one_special_token_of_the_model_has_its_id(tmp_path: Path) -> None:
    found = vocabulary(add_tokens(demo_copy(tmp_path / "demo")))
    assert found.special_ids(["<|im_end|>"]) == {2}
    assert found.special_ids(["<|im_end|>\n", "Hello", "", EXTRA]) == frozenset()
