"""Small tokenizers of every kind that models have, each as its tokenizer.json would be read."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as FastTokenizer

from common.models.model import DEMO_MODEL
from common.text.tokenizer import Tokenizer

SPACE = "\u2581"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
WORDS = [
    SPACE, SPACE * 2, f"{SPACE}friend", "friend", f"{SPACE}h", "e", "he", "y", "\n", "\xe9",
    "e\u0301", "\u732b", f"{SPACE}a{SPACE}b", f"{SPACE}\u0645\u0631", "\u062d", "\u200f", "\u200d",
    ".", "!",
]  # fmt: skip
SPECIAL = ["<unk>", "<s>", "</s>"]


def opened(fast: FastTokenizer) -> Tokenizer:
    with tempfile.TemporaryDirectory() as folder:
        fast.save(f"{folder}/tokenizer.json")
        return Tokenizer(Path(folder))


def demo() -> FastTokenizer:
    return FastTokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))


def prefix_space() -> FastTokenizer:
    """As RoBERTa's: a space before the first word, which is shown."""
    tokenizer = demo()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return tokenizer


def bpe(decoder: decoders.Decoder) -> FastTokenizer:
    """As sentencepiece makes it: words of a few letters, and bytes for all others."""
    letters = sorted({letter for word in WORDS for letter in word})
    pieces = dict.fromkeys([*SPECIAL, *BYTES, *letters, *WORDS, "fr", "ie", "nd", "frie"])
    merges = [("f", "r"), ("i", "e"), ("n", "d"), ("fr", "ie"), ("frie", "nd"), ("h", "e")]
    merges += [(SPACE, "friend"), (SPACE, "h"), (SPACE, SPACE)]
    tokenizer = FastTokenizer(
        models.BPE(
            {piece: n for n, piece in enumerate(pieces)},
            merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in SPECIAL])
    tokenizer.decoder = decoder
    return tokenizer


def fallback(*last: decoders.Decoder) -> decoders.Decoder:
    """The decoder of Llama 2 and Gemma."""
    parts = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *last]
    return decoders.Sequence(parts)


def without_first_space() -> decoders.Decoder:
    return fallback(decoders.Strip(" ", 1, 0))


def llama() -> FastTokenizer:
    """Llama 2 as converted with `legacy`: each part between special tokens gets a space."""
    tokenizer = bpe(without_first_space())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    return tokenizer


def metaspace(scheme: str, decoder: decoders.Decoder) -> FastTokenizer:
    tokenizer = bpe(decoder)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    return tokenizer


def gemma() -> FastTokenizer:
    tokenizer = bpe(fallback())
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    return tokenizer


def unigram() -> FastTokenizer:
    """As T5's."""
    pieces = dict.fromkeys([*SPECIAL, *WORDS, *"abcdefghijklmnopqrstuvwxyz,?"])
    scores = [(piece, -1.0 / len(piece)) for piece in pieces]
    tokenizer = FastTokenizer(models.Unigram(scores, unk_id=0))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def word_piece() -> FastTokenizer:
    pieces = ["[UNK]", "[SEP]", "hey", "friend", "##s", "##ly", ".", "!", "n't", "\u732b", "do"]
    vocabulary = {piece: n for n, piece in enumerate(pieces)}
    tokenizer = FastTokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[UNK]", "[SEP]"])
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def word_ends() -> FastTokenizer:
    """As the first GPT's: the end of a word is a space, but not that of the last word."""
    pieces = ["<unk>", "<s>", "hey</w>", "fr", "iend</w>", "!</w>", "\u732b</w>", "a"]
    vocabulary = {piece: n for n, piece in enumerate(pieces)}
    tokenizer = FastTokenizer(
        models.BPE(vocabulary, [], unk_token="<unk>", end_of_word_suffix="</w>")
    )
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.BPEDecoder()
    return tokenizer


def words() -> FastTokenizer:
    """Without a decoder: spaces between all tokens."""
    vocabulary = {"<unk>": 0, "hey": 1, "friend": 2, "\u732b": 3, "!": 4, "<s>": 5}
    tokenizer = FastTokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def with_added(make: Callable[[], FastTokenizer]) -> FastTokenizer:
    """The tokenizer with added tokens of every sort, some of them with odd letters."""
    tokenizer = make()
    tokenizer.add_special_tokens(["<|extra|>", AddedToken("<|left|>", lstrip=True, rstrip=True)])
    tokenizer.add_tokens(
        [
            AddedToken("<tool>", normalized=False),
            AddedToken("Caf\xe9 \U0001f389", normalized=True),
            AddedToken("whole", single_word=True),
            AddedToken("<0xZZ>", normalized=False),
            AddedToken(" two words ", lstrip=True, rstrip=True),
            AddedToken("\ufffd", normalized=False),
        ]
    )
    return tokenizer


MAKERS: Mapping[str, Callable[[], FastTokenizer]] = {
    "byte level": demo,
    "byte level with a prefix space": prefix_space,
    "Llama 2": llama,
    "Llama 2 without legacy": lambda: metaspace("first", without_first_space()),
    "Metaspace always": lambda: metaspace(
        "always", decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    ),
    "Metaspace never": lambda: metaspace("never", decoders.Metaspace(prepend_scheme="never")),
    "Gemma": gemma,
    "unigram": unigram,
    "word piece": word_piece,
    "word ends": word_ends,
    "words": words,
    "byte level and added tokens": lambda: with_added(demo),
    "Llama 2 and added tokens": lambda: with_added(llama),
    "unigram and added tokens": lambda: with_added(unigram),
}
TOKENIZERS: Mapping[str, Tokenizer] = {name: opened(make()) for name, make in MAKERS.items()}


def id_of(tokenizer: Tokenizer, token: str) -> int:
    token_id: int | None = tokenizer.fast.token_to_id(token)
    assert token_id is not None
    return token_id
