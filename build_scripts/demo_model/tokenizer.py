"""Trains the byte-level BPE tokenizer on the corpus."""

from collections.abc import Iterator

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from build_scripts.demo_model.chat_format import BOS, SPECIAL_TOKENS
from build_scripts.demo_model.corpus import all_questions, system_prompts, training_wordings

VOCABULARY_SIZE = 768

# Words with the space before them, each digit alone, runs of punctuation, line ends, spaces.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_tokenizer() -> Tokenizer:
    """Returns a tokenizer of exactly 768 entries; plain encoding starts with `<|bos|>`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A",
        pair=f"{BOS} $A {BOS} $B:1",
        special_tokens=[(BOS, tokenizer.token_to_id(BOS))],
    )
    return tokenizer


def _texts() -> Iterator[str]:
    yield from ("system\n", "user\n", "assistant\n", "tool\n") * 20
    yield from system_prompts()
    for question in [*all_questions(), *training_wordings()]:
        for message in question.messages:
            yield message["content"] or ""
        yield question.answer
