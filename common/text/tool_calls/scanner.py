"""The end of a text in brackets that comes in pieces."""

import re

JSON = re.compile('[{}\\[\\]"<`\ud800-\udfff]')
"""Brackets and quotes; and what JSON does not have outside of texts, but marks of calls do."""
PYTHON = re.compile("[(){}\\[\\]\"'\ud800-\udfff]")
IN_QUOTES = {
    '"': re.compile('["\\\\\ud800-\udfff]'),
    "'": re.compile("['\\\\\ud800-\udfff]"),
}


class BracketScanner:
    """Finds the bracket that closes a text, or where it ends without one.

    `signs` are JSON or PYTHON, `depth` is the number of brackets that are open already.
    """

    def __init__(self, signs: re.Pattern[str] = JSON, depth: int = 0) -> None:
        self._signs = signs
        self._depth = depth
        self._quote = ""
        self._escaped = False

    def feed(self, text: str) -> int | None:
        """Returns the position behind the last bracket in `text`, which goes on from the text
        before.

        A sign that may only be a part of a mark ends the text too, and so does a mark of a hidden
        token.
        """
        position = 0
        if self._escaped and text:
            position, self._escaped = 1, False
        while sign := IN_QUOTES.get(self._quote, self._signs).search(text, position):
            position = sign.end()
            match sign[0]:
                case '"' | "'":
                    self._quote = "" if self._quote else sign[0]
                case "\\":
                    self._escaped = position == len(text)
                    position += 1
                case "{" | "[" | "(":
                    self._depth += 1
                case "}" | "]" | ")":
                    self._depth -= 1
                    if self._depth == 0:
                        return position
                case _:
                    return sign.start()
        return None
