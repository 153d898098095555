"""Text of a given number of tokens, quickly: by the tokens that each word adds."""

import random
from functools import cache

from benchmarks.prompts.prompt_set import BadPrompts
from benchmarks.prompts.synthetic import FILLERS, material_words
from benchmarks.prompts.token_counts import TokenCounter


class TextMaker:
    """Makes texts of words that each begin with a space, where tokenizers part a text: so a text
    has as many tokens as its words. A tokenizer that merges across words may count a few more or
    less; the run says what the server counted."""

    def __init__(self, tokenizer: TokenCounter) -> None:
        self._tokens = {f" {word}": tokenizer(f" {word}") for word in set(material_words())}
        self._words = sorted(word for word, count in self._tokens.items() if count)
        ones = (filler for filler in FILLERS if tokenizer(f" x{filler}") == tokenizer(" x") + 1)
        filler = next(ones, None)
        if filler is None:
            raise BadPrompts("the tokenizer has no filler that adds one token")
        self._filler = filler
        self.text = cache(self._text)

    def _text(self, name: str, tokens: int) -> str:
        """Returns the text of that name, always the same, of so many tokens."""
        dice, parts, missing = random.Random(name), [], tokens
        while missing > 0:
            word = dice.choice(self._words)
            if self._tokens[word] > missing:
                parts.append(self._filler * missing)
                break
            parts.append(word)
            missing -= self._tokens[word]
        return "".join(parts)
