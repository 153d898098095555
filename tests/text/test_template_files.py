"""Where templates are read from, and which one counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.text.chat_template import ChatTemplate
from common.text.template_files import read_templates

LIST = [{"name": "default", "template": "listed"}, {"name": "tool_use", "template": "tools"}]


def write(folder: Path, *, jinja: str = "", processor: str = "", **named: str) -> Path:
    if jinja:
        (folder / "chat_template.jinja").write_text(jinja)
    if processor:
        (folder / "chat_template.json").write_text(json.dumps({"chat_template": processor}))
    for name, text in named.items():
        (folder / "additional_chat_templates").mkdir(exist_ok=True)
        (folder / "additional_chat_templates" / f"{name}.jinja").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("configured", "files", "expected"),
    [
        (None, {}, {}),
        ("config", {}, {"default": "config"}),
        (LIST, {}, {"default": "listed", "tool_use": "tools"}),
        (None, {"jinja": "file"}, {"default": "file"}),
        ("config", {"jinja": "file"}, {"default": "file"}),
        (LIST, {"jinja": "file"}, {"default": "file"}),
        (None, {"jinja": "file", "tool_use": "t"}, {"default": "file", "tool_use": "t"}),
        ("config", {"tool_use": "t"}, {"default": "config", "tool_use": "t"}),
        (None, {"processor": "p"}, {"default": "p"}),
        ("config", {"processor": "p"}, {"default": "config"}),
        (None, {"jinja": "file", "processor": "p"}, {"default": "file"}),
        ([{"name": "default"}, "odd", {"template": "x"}], {}, {}),
        (7, {}, {}),
    ],
)
def test_files_win_over_the_config_and_both_over_a_processors(
    tmp_path: Path, configured: Any, files: dict[str, str], expected: dict[str, str]
) -> None:
    folder = write(tmp_path, **files)
    assert read_templates(folder, {"chat_template": configured}) == expected


def test_a_byte_order_mark_is_no_part_of_a_template(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("\ufefftext", "utf-8")
    assert read_templates(tmp_path, {}) == {"default": "text"}


def test_templates_without_a_default_one_are_refused() -> None:
    with pytest.raises(StartError, match="has the chat templates tool_use and none that is called"):
        ChatTemplate({"tool_use": "x"}, {})


def test_requests_get_the_template_of_their_kind() -> None:
    named = {
        name: name + "{% for m in messages %}{{ m.content }}{% endfor %}"
        for name in ("default", "tool_use", "rag")
    }
    template, messages = ChatTemplate(named, {}), [{"role": "user", "content": "!"}]
    assert template.render(messages) == "default!"
    assert template.render(messages, tools=[{}]) == "tool_use!"
    assert template.render(messages, arguments={"documents": [{"text": "a"}]}) == "rag!"
    assert template.source_with_tools == named["tool_use"]
