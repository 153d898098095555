"""Tokenizers in the forms of published ones: small, made in a moment, and with their own tokens."""

from collections.abc import Callable, Sequence
from functools import cache

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

TEXT = [
    "The capital of France is Paris. What is the weather in Rome today?",
    "Hello! How are you? I am fine, thank you, and you are welcome.",
    'def f(x): return {"name": "weather", "arguments": {"place": "Rome"}}',
    "Grüße aus München, 你好，世界。 どうもありがとう 🎉🎉",
]
PIECES = 420
"""Entries of a vocabulary beside its own tokens."""
SPACE = "▁"
DIGITS_AND_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Llama 3, and models after it, cut text before they look for pieces."""


def byte_level(tokens: Sequence[str], bos: str | None = None) -> Tokenizer:
    """Returns BPE over bytes, as GPT-2, Llama 3, Qwen, DeepSeek and gpt-oss have it.

    With `bos` the tokenizer puts it before a text, as Llama 3's does.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(DIGITS_AND_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return _with_tokens(tokenizer, tokens, bos)


def pieces(tokens: Sequence[str], bos: str | None = "<s>", *, prefix: bool = True) -> Tokenizer:
    """Returns BPE over characters with bytes for those that it lacks, as sentencepiece makes it.

    With `prefix` a text begins with a space, as in Llama 2 and Mistral; Gemma has none.
    """
    first = list(dict.fromkeys(["<unk>", "<s>", "</s>"] if prefix else [*tokens[:3], "<unk>"]))
    vocabulary = {piece: index for index, piece in enumerate(first)}
    for byte in range(256):
        vocabulary[f"<0x{byte:02X}>"] = len(vocabulary)
    marked = [text.replace(" ", SPACE) for text in TEXT]
    for character in sorted(set(SPACE + "".join(marked[:3]))):
        vocabulary.setdefault(character, len(vocabulary))
    merges = [(SPACE, "t"), (SPACE + "t", "h"), ("i", "s"), (SPACE, "is"), ("e", "r"), ("l", "l")]
    for left, right in merges:
        vocabulary.setdefault(left + right, len(vocabulary))
    model = models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer(model)
    steps: list[normalizers.Normalizer] = [normalizers.Prepend(SPACE)] if prefix else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    ends: list[decoders.Decoder] = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *ends]
    )
    return _with_tokens(tokenizer, tokens, bos)


def gemma_pieces(tokens: Sequence[str], bos: str | None = "<bos>") -> Tokenizer:
    return pieces(tokens, bos, prefix=False)


def metaspace(tokens: Sequence[str], bos: str | None = None) -> Tokenizer:
    """Returns Unigram with bytes, cut at spaces, in the form that T5 and its like have."""
    entries = [("<unk>", 0.0), *((token, 0.0) for token in tokens)]
    entries += [(f"<0x{byte:02X}>", -20.0) for byte in range(256)]
    marked = SPACE + "".join(TEXT[:3]).replace(" ", SPACE)
    entries += [(character, -8.0) for character in sorted(set(marked))]
    entries += [(SPACE + word, -5.0) for word in ("the", "of", "is", "are", "you")]
    tokenizer = Tokenizer(models.Unigram(entries, 0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, "first")
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(SPACE, "first")]
    )
    return _with_tokens(tokenizer, tokens, bos)


Make = Callable[..., Tokenizer]
KINDS: dict[str, Make] = {
    "bytes": byte_level,
    "pieces": pieces,
    "gemma": gemma_pieces,
    "metaspace": metaspace,
}


@cache
def gallery_tokenizers() -> dict[str, Tokenizer]:
    """Returns one tokenizer of every kind by name, for tests of streaming text."""
    return {name: make(("<s>", "</s>", "<|im_end|>")) for name, make in KINDS.items()}


def _with_tokens(tokenizer: Tokenizer, tokens: Sequence[str], bos: str | None) -> Tokenizer:
    """Adds special tokens, and the one that the tokenizer puts before a text."""
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in tokens])
    if bos is not None and tokenizer.token_to_id(bos) is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    return tokenizer
