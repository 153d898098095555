"""What a format of tool calls is, whatever its kind."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from common.call_grammar import CallGrammar
from common.text.marks import HiddenTokens
from common.text.tool_calls.parser import ExpectedCalls, Schemas, ToolCallParser


@dataclass(frozen=True)
class CallFormat(ABC):
    """The texts around calls are its fields, each a text or a tuple of texts.

    `reasoning` is the format of reasoning whose parser finds the calls, None where none does.
    """

    reasoning: ClassVar[str | None] = None

    @property
    def texts(self) -> list[str]:
        """All of these texts."""
        return [text for field in fields(self) for text in _texts(getattr(self, field.name))]

    def with_hidden(self, hidden: HiddenTokens) -> Self:
        """Returns the format of a text that has marks for hidden tokens."""
        if not hidden.marks:
            return self
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: _encoded(value, hidden) for name, value in values.items()})

    @property
    def can_be_forced(self) -> bool:
        """Whether there is a grammar of calls alone."""
        return self.grammar({}, forced=True, several=True) is not None

    @abstractmethod
    def parser(self, expected: ExpectedCalls) -> ToolCallParser:
        """Returns a parser for one answer."""

    def grammar(self, schemas: Schemas, *, forced: bool, several: bool) -> CallGrammar | None:
        """Returns the grammar of an answer that consists of calls, or, not `forced`, may have some.

        None where there is none.
        """
        return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip():
            yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _texts(each)


def _encoded(value: Any, hidden: HiddenTokens) -> Any:
    if isinstance(value, str):
        return hidden.encode(value)
    return tuple(_encoded(each, hidden) for each in value) if isinstance(value, tuple) else value
