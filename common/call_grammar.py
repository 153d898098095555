"""A grammar of tool calls in no engine's own words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CallText:
    """One call as a model writes it: `begin`, a JSON document that fits `schema`, `end`.

    Where `numbered` is not empty, a number and that text stand before the document; a `spaced` one
    may have blank text before it.
    """

    begin: str
    schema: Mapping[str, Any]
    end: str
    numbered: str = ""
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class CallGrammar:
    """Constrains an answer to calls, of which there is at least one, with `separator` between them.

    With a `marker`, which every call begins with, the answer is text with any number of calls in
    it. `several` False allows one call, and nothing after it. `around` stands around all calls, and
    a marker is then what that begins with.
    """

    calls: tuple[CallText, ...]
    separator: str
    several: bool = True
    marker: str | None = None
    around: tuple[str, str] = ("", "")
