"""Chat templates run as their authors expect, and can do no harm."""

import json
from pathlib import Path

import pytest

from common.errors import InvalidValue, StartError
from common.models.model import DEMO_MODEL
from common.text.chat_template import ChatTemplate, load_chat_template
from common.text.tokenizer import Tokenizer
from tests.model_directories import change_json, demo_copy

MESSAGES = [{"role": "user", "content": "Grüße 🎉"}]


END = "|{{ messages[0].content }}"
"""What every template has to show."""


def render(source: str, **arguments: object) -> str:
    template = ChatTemplate(source + END, {"bos_token": "<s>"})
    return template.render(MESSAGES, arguments=arguments).removesuffix(f"|{MESSAGES[0]['content']}")


def test_special_tokens_messages_and_the_prompt_flag_are_given() -> None:
    source = "{{ bos_token }}{{ messages[0].content }}{% if add_generation_prompt %}>{% endif %}"
    assert render(source) == "<s>Grüße 🎉>"


@pytest.mark.parametrize(
    ("config", "source", "expected"),
    [
        ({"sep_token": "<sep>"}, "{{ sep_token }}", "<sep>"),
        ({"cls_token": {"content": "<cls>"}}, "{{ cls_token }}", "<cls>"),
        ({"mask_token": "<mask>", "unk_token": "<unk>"}, "{{ unk_token ~ mask_token }}", None),
        ({"pad_token": None}, "{{ pad_token is defined }}", "False"),
        ({}, "{{ additional_special_tokens[0] }}", "<|im_start|>"),
        (
            {
                "additional_special_tokens": None,
                "extra_special_tokens": ["<a>", {"content": "<b>"}],
            },
            "{{ additional_special_tokens | join }}",
            "<a><b>",
        ),
        ({"extra_special_tokens": {"image_token": "<image>"}}, "{{ image_token }}", "<image>"),
    ],
)
def test_every_special_token_of_the_config_has_its_name(
    tmp_path: Path, config: dict[str, object], source: str, expected: str | None
) -> None:
    folder = demo_copy(tmp_path / "demo")
    change_json(folder / "tokenizer_config.json", config)
    (folder / "chat_template.jinja").write_text(source + "{{ messages[0].content }}")
    template = load_chat_template(folder, Tokenizer(folder), None)
    assert template is not None
    assert template.render(MESSAGES) == (expected or "<unk><mask>") + MESSAGES[0]["content"]


def test_arguments_reach_the_template() -> None:
    assert render("{{ enable_thinking }}", enable_thinking=True) == "True"
    assert render("{{ documents | length }}", documents=["a"]) == "1"


@pytest.mark.parametrize("name", ["messages", "tools", "bos_token"])
def test_arguments_cannot_replace_what_the_service_decides(name: str) -> None:
    with pytest.raises(InvalidValue, match=name) as caught:
        render("", **{name: None})
    assert caught.value.param == "chat_template_kwargs"


def test_tojson_keeps_unicode_and_markup() -> None:
    assert render("{{ messages[0] | tojson }}") == json.dumps(MESSAGES[0], ensure_ascii=False)
    assert render("{{ '<a>&' | tojson }}") == '"<a>&"'
    assert render("{{ {'b': 1, 'a': 2} | tojson }}") == '{"b": 1, "a": 2}'
    assert render("{{ [1] | tojson(indent=2) }}") == "[\n  1\n]"


def test_blocks_are_trimmed_and_loops_have_controls() -> None:
    source = (
        "{% for i in range(5) %}\n  {% if i == 2 %}{% break %}{% endif %}\n{{ i }}\n{% endfor %}"
    )
    assert render(source).split() == ["0", "1"]


def test_what_training_marks_as_the_assistants_is_shown_as_it_is() -> None:
    source = (
        "{% for m in messages %}\n{%- generation %}{{ m.role }}!{% endgeneration -%}\n{% endfor %}"
    )
    assert render(source) == "user!"


def test_a_date_can_be_asked_for() -> None:
    assert render("{{ strftime_now('%Y') }}").isdigit()


def test_a_refusal_of_the_template_is_the_clients_error_in_its_words() -> None:
    with pytest.raises(InvalidValue, match="roles must alternate") as caught:
        render("{{ raise_exception('roles must alternate') }}")
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ nothing.here.at_all }}",
        "{{ 1 / 0 }}",
        "{{ messages[0].content + 1 }}",
        "{{ messages | tojson | attr('__class__') }}{{ cycler.__init__.__globals__ }}",
    ],
)
def test_what_the_sandbox_forbids_or_fails_in_is_an_invalid_value(source: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        render(source)
    assert "Grüße" not in caught.value.message


def test_a_template_that_is_not_jinja_is_refused_at_the_start() -> None:
    with pytest.raises(StartError, match="not valid Jinja"):
        ChatTemplate("{% if %}", {})


def test_the_template_of_the_setting_wins(tmp_path: Path) -> None:
    file = tmp_path / "own.jinja"
    file.write_text("mine")
    found = load_chat_template(DEMO_MODEL, Tokenizer(DEMO_MODEL), str(file))
    assert found is not None
    assert found.sources == ["mine"]
    with pytest.raises(StartError, match=r"no file '.*absent'"):
        load_chat_template(DEMO_MODEL, Tokenizer(DEMO_MODEL), str(tmp_path / "absent"))


def test_a_template_is_found_in_its_file_or_in_the_tokenizers_config(tmp_path: Path) -> None:
    tokenizer = Tokenizer(DEMO_MODEL)
    found = load_chat_template(tmp_path, tokenizer, None)
    assert found is not None
    assert found.sources == [tokenizer.config["chat_template"]]
    (tmp_path / "chat_template.jinja").write_text("from the file")
    found = load_chat_template(tmp_path, tokenizer, None)
    assert found is not None
    assert found.sources == ["from the file"]


def test_of_several_named_templates_the_default_is_taken(tmp_path: Path) -> None:
    tokenizer = Tokenizer(DEMO_MODEL)
    entries = [{"name": "rag", "template": "a"}, {"name": "default", "template": "b"}]
    tokenizer.config["chat_template"] = entries
    found = load_chat_template(tmp_path, tokenizer, None)
    assert found is not None
    assert found.attempt([], {}) == "b"
    del tokenizer.config["chat_template"]
    assert load_chat_template(tmp_path, tokenizer, None) is None
