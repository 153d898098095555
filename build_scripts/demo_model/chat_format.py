"""Conversations as text and tokens: renders the chat template, marks what the model learns."""

import re
from collections.abc import Sequence
from functools import cache

from tokenizers import Tokenizer

from build_scripts.demo_model.question import Message, Question, Tool, assistant
from common.files import read_json
from common.models.model import DEMO_MODEL
from common.text.chat_template import ChatTemplate

BOS = "<|bos|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
PAD = "<|pad|>"
SPECIAL_TOKENS = (BOS, TURN_START, TURN_END, PAD)

_ASSISTANT_TURN = re.compile(r"(?<=<\|im_start\|>assistant\n)(.*?<\|im_end\|>)", re.DOTALL)


@cache
def _template() -> ChatTemplate:
    return ChatTemplate(read_json(DEMO_MODEL / "tokenizer_config.json")["chat_template"], {})


def render(
    messages: Sequence[Message], tools: Sequence[Tool] = (), *, add_generation_prompt: bool
) -> str:
    """Returns the prompt text. Raises InvalidValue for an unknown role."""
    arguments = {"add_generation_prompt": add_generation_prompt}
    return _template().render(messages, tools=tools, arguments=arguments)


def encode_prompt(tokenizer: Tokenizer, question: Question) -> list[int]:
    """Returns the token ids up to where the assistant starts to answer."""
    text = render(question.messages, question.tools, add_generation_prompt=True)
    return encode(tokenizer, text)


def encode_example(tokenizer: Tokenizer, question: Question) -> tuple[list[int], list[bool]]:
    """Returns the token ids of the answered conversation and, for each, whether the assistant
    wrote it."""
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
    """Returns the token ids of `text` as it stands, without an added BOS."""
    return list(tokenizer.encode(text, add_special_tokens=False).ids)
