"""Conversations as text and tokens: renders the chat template, marks what the model learns."""

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from build_scripts.demo_model.question import Message, Question, Tool, assistant

BOS = "<|bos|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
PAD = "<|pad|>"
SPECIAL_TOKENS = (BOS, TURN_START, TURN_END, PAD)

_TEMPLATE_FILE = Path(__file__).with_name("template.jinja")
_ASSISTANT_TURN = re.compile(r"(?<=<\|im_start\|>assistant\n)(.*?<\|im_end\|>)", re.DOTALL)


def template_source() -> str:
    """The Jinja text of the chat template."""
    return _TEMPLATE_FILE.read_text(encoding="utf-8")


def render(
    messages: Sequence[Message], tools: Sequence[Tool] = (), *, add_generation_prompt: bool
) -> str:
    """The prompt text, as transformers renders it; raises TemplateError on an unknown role."""
    return _template().render(
        messages=list(messages),
        tools=list(tools) or None,
        add_generation_prompt=add_generation_prompt,
    )


def encode_prompt(tokenizer: Tokenizer, question: Question) -> list[int]:
    """Token ids up to where the assistant starts to answer."""
    text = render(question.messages, question.tools, add_generation_prompt=True)
    return encode(tokenizer, text)


def encode_example(tokenizer: Tokenizer, question: Question) -> tuple[list[int], list[bool]]:
    """Token ids of the answered conversation and, for each, whether the assistant wrote it."""
    messages = [*question.messages, assistant(question.answer)]
    text = render(messages, question.tools, add_generation_prompt=False)
    ids: list[int] = []
    learned: list[bool] = []
    for index, piece in enumerate(_ASSISTANT_TURN.split(text)):
        piece_ids = encode(tokenizer, piece)
        ids += piece_ids
        learned += [index % 2 == 1] * len(piece_ids)
    return ids[:-1], learned[:-1]


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Token ids of `text` as it stands, without an added BOS."""
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


@cache
def _template() -> Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    return environment.from_string(template_source())


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)
