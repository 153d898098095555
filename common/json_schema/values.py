"""Checks of keywords that hold numbers, texts and choices."""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from common.json_schema.words import BOUNDS, LENGTHS, Refusals, quoted, scalar_type

MAX_BOUND = 2**53
MAX_COUNTED = 200
MAX_PATTERN = 300
"""Characters."""
PATTERN = re.compile(
    r"""\^? (?:
        (?: [^\\"^$.|?*+(){}\[\]\x00-\x1f]          # a character that stands for itself
          | \\[dDsSwW] | \\[^\w\s"\\]               # a class, an escaped sign
          | \.
          | \[\^? (?:\\[dDsSwW] | \\[^\w\s"\\] | [^\\"\[\]^\x00-\x1f])+ \]
        ) (?: [*+?]\?? | \{\d{1,3}(?:,\d{0,3})?\} )?
      | \((?:\?:)? | \)[*+?]? | \|
    )* \$?""",
    re.VERBOSE,
)
"""Regular expressions of what JSON writes between quotes as it is, in which only a single character
is counted: counters around groups multiply."""
COUNTER = re.compile(r"(?<!\\)\{(\d+)(?:,(\d*))?\}")


def limits(
    refusals: Refusals, words: Mapping[str, Any], what: str, largest: int
) -> tuple[int, int]:
    """Returns the least and the greatest number of `what`, 0 where there is no limit."""
    names = (f"min{what}", f"max{what}")
    for name in names:
        value = words.get(name, 0)
        if type(value) is not int or not 0 <= value <= largest:
            refusals.unsupported(f"{name!r} outside 0 to {largest}")
    least, most = (words.get(name, 0) for name in names)
    if names[1] in words and least > most:
        refusals.malformed(f"{names[0]} is above {names[1]}")
    return least, most


def check_bounds(refusals: Refusals, words: Mapping[str, Any], kind: str) -> None:
    """Checks the bounds of a number or integer."""
    for name in BOUNDS:
        value = words.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            refusals.malformed(f"{name} is a number")
        if not abs(value) < MAX_BOUND or (kind == "integer" and value != int(value)):
            refusals.unsupported(f"{name!r} {quoted(value)} of type {kind}")
        if isinstance(value, float) and "e" in repr(value):
            refusals.unsupported(f"{name!r} with an exponent, as {quoted(value)}")
    low = max(words.get(name, -math.inf) for name in BOUNDS[:2])
    high = min(words.get(name, math.inf) for name in BOUNDS[2:])
    if low > high:
        refusals.malformed("no number is within its bounds")


def check_string(
    refusals: Refusals, words: Mapping[str, Any], formats: Collection[str] | None
) -> None:
    """Checks the format of a string, and that it is limited in one way only."""
    if formats is None:
        return
    name = words.get("format")
    if name is not None and str(name) not in formats:
        refusals.unsupported(f"'format' {quoted(name)} (allowed are {', '.join(sorted(formats))})")
    given = [each for each in ("format", "pattern") if each in words]
    if len(given) + any(each in words for each in LENGTHS) > 1:
        refusals.unsupported("more than one of 'format', 'pattern' and a length in a string")


def pattern_length(refusals: Refusals, pattern: object) -> int:
    """Returns the characters of a pattern and those that it counts."""
    if pattern is None:
        return 0
    if not isinstance(pattern, str):
        refusals.malformed("pattern is a string")
    if not _is_plain(pattern):
        refusals.unsupported(
            f"'pattern' {quoted(pattern)} (allowed are characters, classes, groups, alternatives "
            "and repetitions, with numbers behind single characters only, and no quotes)"
        )
    counted = sum(int(most or least) for least, most in COUNTER.findall(pattern))
    if counted > MAX_COUNTED:
        refusals.unsupported(f"'pattern' that counts up to {counted}, above {MAX_COUNTED},")
    return len(pattern) + counted


def _is_plain(pattern: str) -> bool:
    if len(pattern) > MAX_PATTERN or PATTERN.fullmatch(pattern) is None:
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def check_choices(
    refusals: Refusals, words: Mapping[str, Any], form: str, *, escapes: bool
) -> None:
    """Refuses those that JSON can write in several ways, or not of the types beside them."""
    choices = [words["const"]] if form == "const" else words["enum"]
    if not isinstance(choices, list) or not choices:
        refusals.malformed("enum is an array that is not empty")
    for value in choices:
        kind = scalar_type(value)
        if kind is None:
            refusals.unsupported("other choices than strings, integers, true, false and null")
        types = words.get("type", kind)
        types = types if isinstance(types, list) else [types]
        if kind not in types and not (kind == "integer" and "number" in types):
            refusals.unsupported(f"{form!r} with a value that is not of its type")
        if isinstance(value, str) and not escapes:
            check_text(refusals, value)


def check_text(refusals: Refusals, text: str, also: str = "") -> None:
    """Compilers that do not escape all that they put into a grammar take no such text."""
    if not text.isprintable() or any(character in text for character in also):
        refusals.unsupported("names or choices with control characters, or names with quotes,")
