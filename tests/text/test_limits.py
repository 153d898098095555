"""A text is refused by its characters only when it is really too long."""

import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.processors import TemplateProcessing

from common.models.model import DEMO_MODEL
from common.text.limits import COMPOSED, WHITE_SPACE, character_bound
from tests.contract.support import CHAT, COMPLETIONS, GENERATE, assert_error, user
from tests.in_process import echo_runtime

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
DEEP = "\u1f82"
"""One code point that is four when it is decomposed."""
WORDS = ["the", "there", "e\u0301", "\xe9", DEEP, "\u2581the", "aaaa", "##ere", "?"]


def demo() -> FastTokenizer:
    return FastTokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))


def normalized(*steps: normalizers.Normalizer) -> FastTokenizer:
    """The demo model's tokenizer behind normalizers."""
    tokenizer = demo()
    tokenizer.normalizer = normalizers.Sequence(list(steps)) if len(steps) > 1 else steps[0]
    return tokenizer


def split(*steps: pre_tokenizers.PreTokenizer) -> FastTokenizer:
    """The demo model's tokenizer behind more pre-tokenizers."""
    tokenizer = demo()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, byte_level])
    return tokenizer


def added(content: str, **flags: bool) -> FastTokenizer:
    tokenizer = normalized(normalizers.NFKC())
    tokenizer.add_tokens([AddedToken(content, **flags)])
    return tokenizer


def pieces(*more: str) -> dict[str, int]:
    letters = sorted({letter for word in WORDS for letter in word})
    return {piece: n for n, piece in enumerate(dict.fromkeys([*more, *letters, *WORDS]))}


def bpe(*more: str, **fields: Any) -> FastTokenizer:
    """In the manner of sentencepiece: characters and their merges."""
    merges = [("t", "h"), ("th", "e"), ("a", "a"), ("aa", "aa"), ("\u2581", "the")]
    vocabulary = pieces("th", "aa", *more)
    return FastTokenizer(models.BPE(vocabulary, merges, **fields))


def letters(**fields: Any) -> FastTokenizer:
    """Without merges, in the manner of an old GPT."""
    return FastTokenizer(models.BPE(pieces("?"), [], unk_token="?", **fields))


def sentencepiece() -> FastTokenizer:
    """As Llama 2's: bytes for what has no token, and one unknown token that is never made."""
    tokenizer = bpe("<unk>", *BYTES, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    return tokenizer


def metaspace() -> FastTokenizer:
    tokenizer = bpe("<unk>", *BYTES, unk_token="<unk>", byte_fallback=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def unknown_one_by_one() -> FastTokenizer:
    """An unknown token of one character, and composing as its only other shortening."""
    tokenizer = FastTokenizer(models.BPE({"?": 0, DEEP: 1}, [], unk_token="?", fuse_unk=False))
    tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def words() -> FastTokenizer:
    tokenizer = bpe("?", unk_token="?", fuse_unk=False)
    tokenizer.normalizer = normalizers.Strip()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def unigram(*more: str, **fields: Any) -> FastTokenizer:
    scores = [("<unk>", 0.0), *((piece, -float(len(piece))) for piece in pieces(*more))]
    return FastTokenizer(models.Unigram(scores, unk_id=0, **fields))


def word_piece() -> FastTokenizer:
    tokenizer = FastTokenizer(models.WordPiece(pieces("[UNK]"), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def without_text() -> FastTokenizer:
    tokenizer = demo()
    tokenizer.post_processor = TemplateProcessing("<|bos|>", special_tokens=[("<|bos|>", 0)])
    return tokenizer


BOUNDED: Mapping[str, Callable[[], FastTokenizer]] = {
    "demo": demo,
    "nfc": lambda: normalized(normalizers.NFC()),
    "nfkc": lambda: normalized(normalizers.NFKC()),
    "nfkd and lowercase": lambda: normalized(normalizers.NFKD(), normalizers.Lowercase()),
    "replaced and composed": lambda: normalized(
        normalizers.Replace("the", "\u0301a"), normalizers.NFC()
    ),
    "strip": lambda: normalized(normalizers.NFKC(), normalizers.Strip()),
    "white space": lambda: split(pre_tokenizers.WhitespaceSplit()),
    "kept pieces": lambda: split(pre_tokenizers.Split(Regex(r"\s"), "isolated")),
    "an added token": lambda: added("<|extra tokens are long|>", normalized=False),
    "a normalized added token": lambda: added("the\xa0\xa0\ufb03\ufdfa", normalized=True),
    "an added token that swallows": lambda: added("?", rstrip=True, lstrip=True),
    "sentencepiece": sentencepiece,
    "metaspace": metaspace,
    "unknown one by one": unknown_one_by_one,
    "words": words,
    "unigram of bytes": lambda: unigram(*BYTES, byte_fallback=True),
}
UNBOUNDED: Mapping[str, Callable[[], FastTokenizer]] = {
    "unigram": unigram,
    "unigram without all bytes": lambda: unigram(*BYTES[1:], byte_fallback=True),
    "word piece": word_piece,
    "fused unknown": lambda: bpe("?", unk_token="?", fuse_unk=True),
    "dropped unknown": bpe,
    "prefixes": lambda: letters(continuing_subword_prefix="##"),
    "word ends": lambda: letters(end_of_word_suffix="</w>"),
    "strip accents": lambda: normalized(normalizers.NFD(), normalizers.StripAccents()),
    "control characters": lambda: normalized(normalizers.Nmt()),
    "a pattern": lambda: normalized(normalizers.Replace(Regex(" {2,}"), " ")),
    "a deletion": lambda: normalized(normalizers.Replace("a", "")),
    "blanks for letters": lambda: normalized(normalizers.Replace("a", " "), normalizers.Strip()),
    "scripts": lambda: split(pre_tokenizers.UnicodeScripts()),
    "removed pieces": lambda: split(pre_tokenizers.Split("a", "removed")),
    "removed signs": lambda: split(pre_tokenizers.Punctuation("removed")),
    "a delimiter": lambda: split(pre_tokenizers.CharDelimiterSplit("a")),
    "a template without text": without_text,
}
ODD = [
    *WORDS, " ", "\t", "\n", "\xa0", "\u3000", "\x1c", "\x00", "\x7f", "\u0301", "\ufb03", "\ufdfa",
    "\xa8", "\u0130", "\uac01", "\u1112\u1161\u11ab", "\U0001f389", "\u732b", "\ufffd", "\u200d",
    "<|im_start|>", "<|extra tokens are long|>", "the\xa0\xa0\ufb03\ufdfa", "the  ffi", "<0x0A>",
    unicodedata.normalize("NFD", DEEP), unicodedata.normalize("NFKD", "\ufdfa"), "<unk>",
]  # fmt: skip
PIECE = st.one_of(st.sampled_from(ODD), st.text(max_size=3))
TEXT = st.lists(st.tuples(PIECE, st.integers(1, 40)), max_size=8).map(
    lambda runs: "".join(piece * count for piece, count in runs)
)
MADE = {name: make() for name, make in {**BOUNDED, **UNBOUNDED}.items()}
BOUNDS = {name: character_bound(tokenizer) for name, tokenizer in MADE.items()}


@pytest.mark.parametrize("kind", MADE)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXT)
def test_a_text_never_has_fewer_tokens_than_its_characters_tell(kind: str, text: str) -> None:
    tokens = len(MADE[kind].encode(text, add_special_tokens=False).ids)
    assert BOUNDS[kind].least_tokens(text) <= tokens


@pytest.mark.parametrize("kind", BOUNDED)
def test_where_a_bound_is_proved_a_huge_text_has_many_tokens(kind: str) -> None:
    assert BOUNDS[kind].least_tokens("the" * 100_000) > 1000


@pytest.mark.parametrize("kind", UNBOUNDED)
def test_where_none_is_proved_nothing_is_said(kind: str) -> None:
    assert BOUNDS[kind].least_tokens("the" * 100_000) == 0


def test_the_bound_is_reached_where_four_code_points_become_one() -> None:
    tokenizer = unknown_one_by_one()
    text = unicodedata.normalize("NFD", DEEP) * 10
    assert len(text) == 10 * COMPOSED
    assert len(tokenizer.encode(text).ids) == character_bound(tokenizer).least_tokens(text) == 10


def test_no_code_point_is_made_of_more() -> None:
    longest = max(len(unicodedata.normalize("NFD", chr(code))) for code in range(0x110000))
    assert longest == COMPOSED


def test_white_space_is_all_of_it() -> None:
    assert set(WHITE_SPACE) == {chr(c) for c in range(0x110000) if chr(c).isspace()}
    # Otherwise a normalizer would make white space, which may be dropped, of what is counted.
    for code in range(0x110000):
        whole = unicodedata.normalize("NFKD", chr(code)).isspace()
        assert whole == chr(code).isspace(), hex(code)


FITS = 12 * 63
"""Characters that 63 tokens of the demo model can stand for, the longest of 12 each."""


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (GENERATE, {"prompt": "a" * (FITS + 1)}, "prompt"),
        (GENERATE, {"prompt": "a", "system_prompt": "a" * FITS}, "prompt"),
        (CHAT, {"messages": user("a" * FITS)}, "messages"),
        (CHAT, {"messages": user("a") * 40}, "messages"),
        (COMPLETIONS, {"prompt": "a" * (FITS + 1)}, "prompt"),
        (COMPLETIONS, {"prompt": ["a", "a" * (FITS + 1)]}, "prompt"),
    ],
)
async def test_what_cannot_fit_is_refused_before_it_is_tokenized(
    path: str, body: dict[str, Any], param: str
) -> None:
    runtime, client = await echo_runtime(DEMO_MODEL, max_model_len=64)
    with patch.object(runtime.tokenizer, "encode_all", side_effect=AssertionError):
        async with client as http:
            response = await http.post(path, json=body)
    message = assert_error(response, 400, "context_length_exceeded", param)
    assert "the prompt has at least " in message
    assert "maximum context length is 64 tokens" in message


async def test_without_a_template_the_text_alone_is_looked_at(tmp_path: Path) -> None:
    template = tmp_path / "plain.jinja"
    template.write_text("{{ messages[0].content }}")
    _, client = await echo_runtime(DEMO_MODEL, max_model_len=64, chat_template=str(template))
    async with client as http:
        response = await http.post(GENERATE, json={"prompt": "a" * (FITS + 1)})
        message = assert_error(response, 400, "context_length_exceeded", "prompt")
        assert "at least 64 tokens" in message
        response = await http.post(GENERATE, json={"prompt": "<|im_start|>" * 63})
        assert response.status_code == 200, response.text


async def test_each_of_several_prompts_may_fill_the_context() -> None:
    _, client = await echo_runtime(DEMO_MODEL, max_model_len=64)
    async with client as http:
        body = {"prompt": ["<|im_start|>" * 62] * 3}
        response = await http.post(COMPLETIONS, json=body)
        assert response.status_code == 200, response.text
        assert response.json()["usage"]["prompt_tokens"] == 3 * 63


async def test_longer_texts_than_fit_can_be_counted() -> None:
    _, client = await echo_runtime(DEMO_MODEL, max_model_len=64)
    async with client as http:
        body = {"prompt": "a" * 10 * FITS, "add_special_tokens": False}
        assert (await http.post("/tokenize", json=body)).json()["count"] > 64
        body = {"messages": user("a" * 10 * FITS)}
        assert (await http.post("/tokenize", json=body)).json()["count"] > 64
