"""Calls of gpt-oss, which are messages of their own."""

from dataclasses import dataclass

from common.call_grammar import CallGrammar, CallText
from common.text.reasoning import CALL_MARKS
from common.text.tool_calls.headed import HeadedFormat
from common.text.tool_calls.parser import Schemas

RECIPIENT = "to=functions."


@dataclass(frozen=True)
class HarmonyFormat(HeadedFormat):
    """The parser of reasoning reads the messages, and puts marks of its own around calls."""

    reasoning = "harmony"
    begin: str = CALL_MARKS[0]
    arguments: str = CALL_MARKS[1]
    ends: tuple[str, ...] = (CALL_MARKS[2],)

    def grammar(self, schemas: Schemas, *, forced: bool, several: bool) -> CallGrammar | None:
        """The token behind a call ends the answer, so that there is one."""
        begin = "<|channel|>commentary " if forced else ""
        calls = [
            CallText(f"{begin}{RECIPIENT}{name} <|constrain|>json<|message|>", schema, "")
            for name, schema in schemas.items()
        ]
        return CallGrammar(tuple(calls), "", False, None if forced else RECIPIENT)
