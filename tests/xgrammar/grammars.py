"""What xgrammar's grammars allow, as lines of JSON; run by a Python that has it and transformers.

Each line of standard input has the name of a function and its arguments, and gets a line of what it
returns.
"""

import json
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import xgrammar
from transformers import AutoTokenizer
from xgrammar import Grammar
from xgrammar.testing import _is_grammar_accept_string


def accepted(pairs: list[tuple[Any, list[str]]]) -> list[list[bool] | None]:
    """Returns, for each schema or structural tag, which of its documents the grammar accepts; None
    where no grammar can be made."""
    return [_accepted(source, documents) for source, documents in pairs]


def _accepted(source: Any, documents: list[str]) -> list[bool] | None:
    form = json.dumps(source)
    try:
        if isinstance(source, dict) and source.get("type") == "structural_tag":
            grammar = Grammar.from_structural_tag(form)
        else:
            grammar = Grammar.from_json_schema(form)
    except RuntimeError:
        return None
    return [_is_grammar_accept_string(grammar, document) for document in documents]


def masked(pairs: list[tuple[dict[str, Any], list[int]]], model: str) -> list[list[int]]:
    """Returns, for each structural tag and token ids with the end token as the last, those that its
    masks forbid."""
    return [_masked(*compiler(model), tag, ids) for tag, ids in pairs]


@cache
def compiler(model: str) -> tuple[Any, int]:
    """Returns what compiles grammars for a model's tokens, and their number."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    size = len(tokenizer)
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=size)
    return xgrammar.GrammarCompiler(info), size


def _masked(compiler: Any, size: int, tag: dict[str, Any], ids: list[int]) -> list[int]:
    matcher = xgrammar.GrammarMatcher(compiler.compile_structural_tag(json.dumps(tag)))
    bits = xgrammar.allocate_token_bitmask(1, size)
    forbidden = []
    for token in ids:
        matcher.fill_next_token_bitmask(bits, 0)
        if not int(bits[0][token // 32]) >> token % 32 & 1 or not matcher.accept_token(token):
            forbidden.append(token)
    return forbidden


if __name__ == "__main__":
    answers: dict[str, Callable[..., Any]] = {"accepted": accepted, "masked": masked}
    for line in sys.stdin:
        name, *given = json.loads(line)
        print(json.dumps(answers[name](*given)), flush=True)
