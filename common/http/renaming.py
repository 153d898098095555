"""Errors of a chat, told by the names that its fields have on another route."""

import re
from collections.abc import Mapping
from copy import copy

from common.errors import ServiceError

QUOTED = r"""(?<!\w)'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
"""What a message repeats of a request, as repr() writes it; no apostrophe of a word begins it."""
TOOL_FIELD = r"(?<![\w.])(?P<tool>tools\[\d+\]\.)function\.(?P<part>\w+)"


def renamed(error: ServiceError, names: Mapping[str, str]) -> ServiceError:
    """Returns the error with other `names` of fields, but for what its message quotes.

    Elsewhere a tool has no object `function`: what is in it is in the tool itself.
    """
    words = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = re.compile(rf"{QUOTED}|{TOOL_FIELD}|(?<![\w.])(?P<name>{words})(?!\w)")

    def other_name(match: re.Match[str]) -> str:
        if match["tool"]:
            return match["tool"] + names.get(f"function.{match['part']}", match["part"])
        return names[match["name"]] if match["name"] else match[0]

    other = copy(error)
    other.message = pattern.sub(other_name, error.message)
    other.param = error.param and pattern.sub(other_name, error.param)
    return other
