"""A short text that a regular expression matches."""

import json
import re
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

PLAIN = sorted(map(chr, range(32, 127)), key=str.isalnum, reverse=True)


def document(expression: str) -> Any:
    """The value of the JSON document that answers the grammar `expression`.

    Raises ValueError when the expression allows none in Python's own spacing.
    """
    value = json.loads(shortest(parser.parse(expression)))
    if not re.fullmatch(expression, json.dumps(value, ensure_ascii=False)):
        raise ValueError(f"{json.dumps(value)} does not match {expression}")
    return value


def shortest(pattern: Any) -> str:
    return "".join(_piece(kind, argument) for kind, argument in pattern)


def _piece(kind: Any, argument: Any) -> str:
    match kind:
        case kinds.LITERAL:
            return chr(argument)
        case kinds.SUBPATTERN:
            return shortest(argument[-1])
        case kinds.BRANCH:
            return min((shortest(part) for part in argument[1]), key=len)
        case kinds.MAX_REPEAT:
            return shortest(argument[2]) * int(argument[0])
        case kinds.IN:
            return next(character for character in PLAIN if _among(character, argument))
    raise ValueError(f"{kind} is not understood")


def _among(character: str, parts: list[tuple[Any, Any]]) -> bool:
    negated = parts[0][0] is kinds.NEGATE
    code = ord(character)
    among = any(
        (kind is kinds.LITERAL and argument == code)
        or (kind is kinds.RANGE and argument[0] <= code <= argument[1])
        for kind, argument in parts
    )
    return among is not negated
