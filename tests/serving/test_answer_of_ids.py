"""Answers of an engine that gives token ids: the text, the stop strings and the end token."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.engine import Chunk, FinishReason, TokenLogprob
from common.serving.answer import Answer, Delta, Shown
from common.text.detokenizer import Detokenizer
from common.text.marks import HiddenTokens, tokens_in
from common.text.tokenizer import Tokenizer
from tests.text.tokenizer_kinds import TOKENIZERS, id_of

KINDS = [pytest.param(tokenizer, id=name) for name, tokenizer in TOKENIZERS.items()]
DEMO = TOKENIZERS["byte level"]
END = id_of(DEMO, "<|im_end|>")
START = id_of(DEMO, "<|im_start|>")
PIECES = ["\U0001f389", " friend", "hey", "e\u0301", "\u0645", "\n"]
TEXT = st.lists(
    st.one_of(st.sampled_from(PIECES), st.text(max_size=2)), min_size=1, max_size=10
).map("".join)


def answer(
    tokenizer: Tokenizer,
    chunks: Sequence[Chunk],
    stops: Sequence[str] = (),
    *,
    skip: bool = True,
    include_stop: bool = False,
) -> tuple[Answer, list[Delta]]:
    """Returns the answer and the deltas that a client sees, up to the end of the answer."""
    hidden = tokens_in(stops, tokenizer.texts[True].special) if skip else {}
    result = Answer(
        0,
        Detokenizer(tokenizer, skip_special_tokens=skip),
        frozenset({END}),
        stops,
        shown=Shown(stops=include_stop),
        hidden=HiddenTokens(hidden),
    )
    deltas = []
    for chunk in chunks:
        if delta := result.feed(chunk):
            deltas.append(delta)
        if result.finish_reason is not None:
            break
    return result, deltas


def seen(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def chunked(ids: Sequence[int], size: int, finish: FinishReason = "length") -> list[Chunk]:
    starts = range(0, len(ids), size)
    chunks = [
        Chunk(ids[at : at + size], logprobs=[TokenLogprob(i, 0.0, []) for i in ids[at : at + size]])
        for at in starts
    ]
    return [*chunks[:-1], chunks[-1]._replace(finish_reason=finish)]


@pytest.mark.parametrize("tokenizer", KINDS)
@given(TEXT, st.data())
@settings(derandomize=True, deadline=None, max_examples=60)
def test_a_stop_string_cuts_the_same_text_however_it_is_chunked(
    tokenizer: Tokenizer, text: str, data: st.DataObject
) -> None:
    ids = tokenizer.fast.encode(text, add_special_tokens=False).ids
    whole = tokenizer.decode(ids, skip_special_tokens=True)
    part = st.tuples(st.integers(0, len(whole)), st.integers(1, 4)).map(
        lambda span: whole[span[0] : span[0] + span[1]]
    )
    stops = data.draw(st.lists(st.one_of(part, st.text("he \U0001f389", max_size=3)), max_size=4))
    stops = [stop for stop in stops if stop]
    results: list[tuple[Any, ...]] = []
    for size in (1, 2, 3, len(ids) or 1):
        if not ids:
            continue
        result, deltas = answer(tokenizer, chunked(ids, size), stops)
        logprobs = sum(len(delta.logprobs or ()) for delta in deltas)
        results.append((seen(deltas), result.finish_reason, result.tokens, logprobs))
    ends = [whole.find(stop) + len(stop) for stop in stops if stop in whole]
    for shown, finish, tokens, logprobs in results:
        assert (shown, finish, tokens, logprobs) == results[0]
        assert finish == ("stop" if ends else "length")
        assert tokens == logprobs
        if ends:
            assert any(shown + stop == whole[: min(ends)] for stop in stops)
        else:
            assert shown == whole


@pytest.mark.parametrize("size", [1, 2, 9])
@pytest.mark.parametrize(
    ("stops", "skip", "include_stop", "shown"),
    [
        ((), True, False, "hey"),
        ((), False, False, "hey"),
        ((), True, True, "hey"),
        ((), False, True, "hey<|im_end|>"),
        (["never"], True, False, "hey"),
        (["never"], False, True, "hey<|im_end|>"),
        (["<|im_end|>"], True, False, "hey"),
        (["<|im_end|>"], False, False, "hey"),
        (["<|im_end|>"], True, True, "hey<|im_end|>"),
        (["<|im_end|>"], False, True, "hey<|im_end|>"),
        (["y<|im_end|>"], True, False, "he"),
        (["y<|im_end|>!"], True, False, "hey"),
    ],
)
def test_an_end_token_is_shown_only_where_the_stop_is(
    size: int, stops: list[str], skip: bool, include_stop: bool, shown: str
) -> None:
    ids = [*DEMO.fast.encode("hey", add_special_tokens=False).ids, END]
    result, deltas = answer(
        DEMO, chunked(ids, size, "stop"), stops, skip=skip, include_stop=include_stop
    )
    assert (seen(deltas), result.finish_reason, result.tokens) == (shown, "stop", len(ids))


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("size", [1, 2, 9])
@pytest.mark.parametrize("stop", ["<|im_start|>", "\n<|im_start|>user", "\n<|im_start|>"])
def test_a_stop_string_with_a_special_token_ends_an_answer(
    stop: str, size: int, skip: bool
) -> None:
    ids = DEMO.fast.encode("hey\n<|im_start|>user\nyes", add_special_tokens=False).ids
    assert START in ids
    result, deltas = answer(DEMO, chunked(ids, size), [stop], skip=skip)
    assert seen(deltas) == "hey\n".removesuffix(stop[: stop.index("<")])
    assert result.finish_reason == "stop"
    assert result.tokens < len(ids)
