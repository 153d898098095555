"""Answers of an engine that gives text and counts instead of token ids."""

from collections.abc import Sequence

import pytest

from common.engine import Chunk
from common.serving.answer import Answer, Delta, Shown
from common.text.detokenizer import Detokenizer
from common.text.tokenizer import Tokenizer
from tests.conftest import MODEL

TOKENIZER = Tokenizer(MODEL)


def feed(chunks: Sequence[Chunk], *stops: str) -> tuple[Answer, list[Delta]]:
    """Returns the answer and the deltas that a client sees of it."""
    answer = Answer(0, Detokenizer(TOKENIZER), frozenset({2}), stops)
    deltas = []
    for chunk in chunks:
        if delta := answer.feed(chunk):
            deltas.append(delta)
        if answer.finish_reason is not None:
            break
    return answer, deltas


def seen(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.mark.parametrize("stops", [(), ("never",)])
def test_text_is_passed_on_and_counted(stops: tuple[str, ...]) -> None:
    chunks = [
        Chunk(text="One", tokens=1),
        Chunk(text="", tokens=1),
        Chunk(tokens=2),
        Chunk(text=" né", tokens=3),
        Chunk(text="v", finish_reason="length", tokens=1),
    ]
    answer, deltas = feed(chunks, *stops)
    assert seen(deltas) == "One név"
    assert answer.tokens == 8
    assert answer.finish_reason == "length"
    assert [delta.finish_reason for delta in deltas[:-1]] == [None] * (len(deltas) - 1)


def test_a_last_chunk_without_text_ends_the_answer() -> None:
    answer, deltas = feed([Chunk(text="One", tokens=1), Chunk(finish_reason="stop", tokens=1)])
    assert deltas[-1] == Delta(0, "", "stop")
    assert answer.tokens == 2


def test_a_stop_string_over_two_chunks_is_cut_out() -> None:
    chunks = [Chunk(text="one E", tokens=2), Chunk(text="ND two", tokens=3), Chunk(text="!")]
    answer, deltas = feed(chunks, "END")
    assert seen(deltas) == "one "
    assert deltas[-1].finish_reason == answer.finish_reason == "stop"
    assert answer.tokens == 5


def test_a_stop_string_in_the_last_chunk_wins_over_its_reason() -> None:
    answer, deltas = feed([Chunk(text="one END", finish_reason="length", tokens=4)], "END")
    assert seen(deltas) == "one "
    assert answer.finish_reason == "stop"


def test_what_was_held_back_for_a_stop_string_comes_with_the_end() -> None:
    answer, deltas = feed(
        [Chunk(text="one E", tokens=2), Chunk(text="N", finish_reason="length", tokens=1)], "END"
    )
    assert [delta.text for delta in deltas] == ["one ", "EN"]
    assert answer.finish_reason == "length"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (['{"answer": "K', "öl", 'n"}'], "Köln"),
        (['{"answer":"a \\"', 'b\\" \\n"}'], 'a "b" \n'),
        (['{"answer": "Kö'], '{"answer": "Kö'),
        (["5"], "5"),
    ],
)
def test_the_only_value_of_a_document_is_shown_with_its_end(
    texts: list[str], expected: str
) -> None:
    answer = Answer(0, Detokenizer(TOKENIZER), frozenset(), (), Shown(json_value=True))
    deltas = [answer.feed(Chunk(text=text, tokens=1)) for text in texts]
    last = answer.feed(Chunk(text="", finish_reason="stop", tokens=1))
    assert [delta for delta in deltas if delta is not None] == []
    assert last == Delta(0, expected, "stop")
    assert answer.tokens == len(texts) + 1
