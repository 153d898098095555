"""Prompts by the name of their source."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.prompts.builtin import FILE, NAME
from benchmarks.prompts.dolly import DOLLY, download
from benchmarks.prompts.errors import BadPrompts
from benchmarks.prompts.lines import Found, read_lines, read_sharegpt
from benchmarks.prompts.synthetic import synthetic
from benchmarks.prompts.tokens import Counter
from benchmarks.prompts.types import Prompt, PromptSet

SHAREGPT, SYNTHETIC = "sharegpt:", "synthetic:"
SYNTHETIC_COUNT = 200


def load_prompts(
    source: str,
    *,
    min_tokens: int | None = None,
    max_tokens: int | None = None,
    min_words: int | None = None,
    max_words: int | None = None,
    count: int | None = None,
    seed: int = 0,
    tokenizer: Counter | None = None,
) -> PromptSet:
    """`source` is builtin, dolly, sharegpt:FILE, synthetic:TOKENS or a JSON Lines file.

    Those whose first turn has fewer tokens than `min_tokens`, or more than `max_tokens`, are left
    out, as by words; `count` keeps so many, chosen by `seed`. Raises BadPrompts.
    """
    if count is not None and count < 1:
        raise BadPrompts(f"a count of {count} prompts: it is at least 1")
    if source.startswith(SYNTHETIC):
        if any(limit is not None for limit in (min_tokens, max_tokens, min_words, max_words)):
            raise BadPrompts(f"{source} says their length: leave other limits out")
        number = count or SYNTHETIC_COUNT
        made = synthetic(_length(source), number, seed, _required(tokenizer, source))
        return PromptSet(source=source, prompts=made)
    found = _found(source)
    fitting = _fitting(found.prompts, min_words, max_words, _words)
    if min_tokens is not None or max_tokens is not None:
        fitting = _fitting(fitting, min_tokens, max_tokens, _required(tokenizer, source))
    if not fitting:
        why = "of that length" if found.prompts else "that can be used"
        raise BadPrompts(f"{source} has no prompt {why}{found.first_trouble}")
    skipped = found.skipped + len(found.prompts) - len(fitting)
    whole = PromptSet(source=_name(source), prompts=tuple(fitting), skipped=skipped)
    if count is None or count >= len(fitting):
        return whole
    order = whole.order(seed)
    return whole.model_copy(update={"prompts": tuple(order[index] for index in range(count))})


def _found(source: str) -> Found:
    if source == NAME:
        return read_lines(FILE)
    if source == DOLLY:
        return read_lines(download())
    if source.startswith(SHAREGPT):
        return read_sharegpt(Path(source.removeprefix(SHAREGPT)))
    return read_lines(Path(source))


def _name(source: str) -> str:
    """A result tells no folder of this machine."""
    kind, colon, path = source.rpartition(":")
    return f"{kind}{colon}{Path(path).name}"


def _fitting(
    prompts: Iterable[Prompt], least: int | None, most: int | None, length: Counter
) -> list[Prompt]:
    """Each once, if its first turn is neither shorter nor longer."""
    unique = list({prompt.id: prompt for prompt in prompts}.values())
    if least is None and most is None:
        return unique
    high = float("inf") if most is None else most
    return [prompt for prompt in unique if (least or 0) <= length(prompt.turns[0]) <= high]


def _words(text: str) -> int:
    return len(text.split())


def _length(source: str) -> int:
    text = source.removeprefix(SYNTHETIC)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise BadPrompts(f"{source!r}: allowed is synthetic:TOKENS, such as synthetic:2048")
    return int(text)


def _required(tokenizer: Counter | None, source: str) -> Counter:
    if tokenizer is None:
        raise BadPrompts(f"{source}: lengths in tokens need a tokenizer")
    return tokenizer
