"""Prompts are, byte for byte, those that transformers makes of the same conversation."""

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError

from common.errors import InvalidValue
from common.http.messages import ChatMessage, for_template
from common.text.chat_template import load_chat_template
from common.text.tokenizer import Tokenizer
from tests.gallery.conftest import Built
from tests.gallery.conversations import CONVERSATIONS, TOOLS, Conversation, call
from tests.gallery.member import Member
from tests.gallery.members import MEMBERS

WITH_CALLS = [name for name, member in MEMBERS.items() if member.tools is not None]


def rendered(folder: Path, conversation: Conversation) -> str | None:
    """Returns our prompt, None where the conversation is refused."""
    template = load_chat_template(folder, Tokenizer(folder), None)
    assert template is not None
    messages = for_template([ChatMessage.model_validate(m) for m in conversation.messages])
    try:
        return template.render(messages, tools=conversation.tools, arguments=conversation.arguments)
    except InvalidValue:
        return None


@cache
def published(folder: Path) -> Any:
    """Returns the tokenizer as transformers loads it."""
    with warnings.catch_warnings(action="ignore"):
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(folder)


def reference(folder: Path, member: Member, conversation: Conversation) -> Any:
    """Returns transformers' prompt and its ids, None where it cannot render the conversation."""
    tokenizer = published(folder)
    arguments = dict(conversation.arguments)
    if member.place == "json":
        # What a processor reads, a tokenizer does not.
        text = (folder / "chat_template.json").read_text("utf-8")
        arguments["chat_template"] = json.loads(text)["chat_template"]
    messages = [in_form(message, member) for message in conversation.messages]
    options = {"tools": conversation.tools, "add_generation_prompt": True, **arguments}
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
        return text, tokenizer.apply_chat_template(messages, return_dict=False, **options)
    except (TemplateError, TypeError):
        return None


def in_form(message: dict[str, Any], member: Member) -> dict[str, Any]:
    """Returns the message in the form that the member is known to take."""
    content, changed = message["content"], dict(message)
    if isinstance(content, list) and not (member.reads_parts or member.takes_parts):
        changed["content"] = "".join(part["text"] for part in content)
    if isinstance(content, str) and member.takes_parts:
        changed["content"] = [{"type": "text", "text": content}]
    if "tool_calls" in message and not member.takes_text_arguments:
        calls = json.loads(json.dumps(message["tool_calls"]))
        for each in calls:
            each["function"]["arguments"] = json.loads(each["function"]["arguments"])
        changed["tool_calls"] = calls
    return changed


@pytest.mark.parametrize("name", MEMBERS)
def test_prompts_are_those_of_transformers(built: Built, name: str) -> None:
    folder, member = built(name), MEMBERS[name]
    tokenizer = Tokenizer(folder)
    for what, conversation in CONVERSATIONS.items():
        ours, theirs = rendered(folder, conversation), reference(folder, member, conversation)
        if theirs is None or any(text not in theirs[0] for text in conversation.said):
            assert ours is None, f"{what} is answered though it does not reach the model"
            continue
        assert ours == theirs[0], what
        assert tokenizer.fast.encode(ours, add_special_tokens=False).ids == theirs[1], what


@pytest.mark.parametrize("what", ["a question", "several turns", "a list of parts"])
@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_takes_the_usual_conversations(built: Built, name: str, what: str) -> None:
    assert rendered(built(name), CONVERSATIONS[what]) is not None


@pytest.mark.parametrize("name", WITH_CALLS)
def test_a_call_that_the_service_made_can_be_sent_back(built: Built, name: str) -> None:
    """Its id is longer than some templates allow, and its content is null."""
    messages = call("call_0123456789abcdef01234567")
    messages[1]["content"] = None
    prompt = rendered(built(name), Conversation(messages, [], TOOLS))
    assert prompt is not None
    for text in ("weather", "Rome", "18 degrees"):
        assert text in prompt


def test_templates_of_other_names_serve_tools_and_documents(built: Built) -> None:
    folder = built("command-r")
    plain = rendered(folder, CONVERSATIONS["a question"])
    with_tools = rendered(folder, CONVERSATIONS["tools"])
    assert plain is not None
    assert with_tools is not None
    assert "Available Tools" in with_tools
    assert "Available Tools" not in plain
