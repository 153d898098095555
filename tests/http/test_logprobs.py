"""No entry of log-probabilities is lost to another of the same text."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models

from common.engine import TokenLogprob
from common.http.logprobs import LOWEST, Logprobs, TextOffsets
from common.text.detokenizer import Detokenizer
from common.text.tokenizer import Tokenizer

A, ALSO_A, FIRST_BYTE, OTHER_BYTE = 0, 1, 2, 3


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    """Returns a tokenizer with two tokens for "A" and two that are parts of a character."""
    pieces = {"A": A, "<0x41>": ALSO_A, "<0xE7>": FIRST_BYTE, "<0xE8>": OTHER_BYTE}
    fast = FastTokenizer(models.BPE(pieces, []))
    fast.decoder = decoders.ByteFallback()
    fast.save(str(tmp_path / "tokenizer.json"))
    return Tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (A, {"A": -1.0, "token_id:1": -2.0, r"bytes:\xe7": -3.0, r"bytes:\xe8": -4.0}),
        (ALSO_A, {"token_id:0": -1.0, "A": -2.0, r"bytes:\xe7": -3.0, r"bytes:\xe8": -4.0}),
        (FIRST_BYTE, {"A": -1.0, "token_id:1": -2.0, r"bytes:\xe7": -3.0, r"bytes:\xe8": -4.0}),
    ],
)
def test_each_alternative_has_a_name_of_its_own(
    tokenizer: Tokenizer, chosen: int, names: dict[str, float]
) -> None:
    top = [(A, -1.0), (ALSO_A, -2.0), (FIRST_BYTE, -3.0), (OTHER_BYTE, -4.0)]
    entry = TokenLogprob(chosen, dict(top)[chosen], top)
    value = Logprobs(tokenizer).of_completion([entry], TextOffsets(Detokenizer(tokenizer), 0))
    assert value["top_logprobs"] == [names]
    (name,) = value["tokens"]
    assert names[name] == value["token_logprobs"][0]


def test_tokens_are_named_by_their_ids_on_demand(tokenizer: Tokenizer) -> None:
    entry = TokenLogprob(ALSO_A, -float("inf"), [(A, -1.0), (ALSO_A, -float("inf"))])
    logprobs = Logprobs(tokenizer, by_id=True)
    (chat,) = logprobs.of_chat([entry])["content"]
    assert [chat["token"], chat["logprob"]] == ["token_id:1", LOWEST]
    assert [top["token"] for top in chat["top_logprobs"]] == ["token_id:0", "token_id:1"]
    value = logprobs.of_completion([entry], TextOffsets(Detokenizer(tokenizer), 0))
    assert value["top_logprobs"] == [{"token_id:0": -1.0, "token_id:1": LOWEST}]
