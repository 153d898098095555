"""Calls that are a JSON object: their head while it comes, their arguments, and whole ones."""

import json
import re
from typing import Any

from common.text.tool_calls.parser import Schemas

SPACE = r"\s{0,40}"
NAME_KEYS = ('"name"', '"tool_name"')
ARGUMENT_KEYS = ('"arguments"', '"parameters"')
OTHER_KEYS = ('"tool_call_id"', '"id"', '"type"')
"""Keys that may stand before the name, with a text."""
Atom = str | tuple[str, ...]
OTHER: list[Atom] = [
    OTHER_KEYS, SPACE, ":", SPACE, '"', r'[^"\\]{0,64}', '"', SPACE, ",", SPACE,
]  # fmt: skip
BEFORE_NAME: list[Atom] = [NAME_KEYS, SPACE, ":", SPACE, '"']
NAME = r'[^"\\]{1,128}'
BEHIND_NAME: list[Atom] = ['"', SPACE, ",", SPACE, ARGUMENT_KEYS, SPACE, ":", SPACE]
"""The text before the arguments, character by character; a tuple has alternatives."""


def _complete(atoms: list[Atom]) -> str:
    return "".join(f"(?:{'|'.join(a)})" if isinstance(a, tuple) else a for a in atoms)


def begun(atoms: list[Atom]) -> str:
    """Returns an expression of everything that the text of `atoms` may begin with."""
    pattern = ""
    for atom in reversed(atoms):
        if isinstance(atom, tuple):
            words = "|".join(map(re.escape, atom))
            parts = "|".join(begun([re.escape(sign) for sign in word]) for word in atom)
            pattern = f"(?:(?:{words}){pattern}|{parts})?"
        else:
            pattern = f"(?:{atom}{pattern})?"
    return pattern


OPEN: list[Atom] = [SPACE, r"\{", SPACE]
COMPLETE = re.compile(
    f"{_complete(OPEN)}(?:{_complete(OTHER)})?{_complete(BEFORE_NAME)}({NAME})"
    f"{_complete(BEHIND_NAME)}(?={{)"
)
BEGUN = re.compile(
    "|".join(
        begun([*OPEN, *other, *BEFORE_NAME, NAME, *BEHIND_NAME]) + r"\Z" for other in ([], OTHER)
    )
)
NAME_BEGUN = re.compile(r'"(?:tool_)?name"\s*:\s*"([^"]*)("?)')


def match_head(text: str, schemas: Schemas) -> tuple[str, int] | None:
    """Returns the name in a complete head of a known tool, and where its arguments begin."""
    head = COMPLETE.match(text)
    return (head[1], head.end()) if head and head[1] in schemas else None


def may_become_head(text: str, schemas: Schemas) -> bool:
    """Returns whether the head of a known tool may still come of `text`, which has none yet."""
    if BEGUN.match(text) is None:
        return False
    name = NAME_BEGUN.search(text)
    if name is None:
        return True
    return name[1] in schemas if name[2] else any(known.startswith(name[1]) for known in schemas)


def parse_call(text: str, schemas: Schemas, *, bare: bool) -> tuple[str, str] | None:
    """Returns name and arguments of an object in any order of its keys, None for no such call.

    `bare` also takes one without arguments.
    """
    try:
        value: Any = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    name = value.get("name", value.get("tool_name"))
    arguments = value.get("arguments", value.get("parameters", {} if bare else None))
    if not isinstance(name, str) or name not in schemas or not isinstance(arguments, str | dict):
        return None
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return name, written
