"""The words of JSON schemas, and the errors of a schema that uses others."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NoReturn

from common.errors import InvalidValue, UnsupportedParameter

ANNOTATIONS = {
    "$comment", "$defs", "$schema", "contentEncoding", "contentMediaType", "default", "definitions",
    "deprecated", "description", "discriminator", "example", "examples", "readOnly", "title",
    "writeOnly",
}  # fmt: skip
"""Keywords that restrict nothing by themselves, JSON Schema's and OpenAPI's."""
VENDOR = "x-"
"""Begins the name of a keyword that is somebody's own."""
FORMS = ("$ref", "const", "enum", "anyOf", "oneOf", "allOf")
TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
ANY = "any"
"""The form of a schema that allows any value."""
LIST = "types"
"""The form of a schema with a list of types."""
TRUE = "true"
"""The form of `true` in place of a schema."""
LENGTHS = ("minLength", "maxLength")
BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
MAX_QUOTED = 40
"""Characters of a client's word that an error repeats."""


@dataclass(frozen=True)
class Refusals:
    """Raises the errors of the schema in the field `param`. `honoured` lists keywords."""

    param: str
    title: str
    honoured: str

    def unsupported(self, what: str) -> NoReturn:
        """Raises UnsupportedParameter."""
        raise UnsupportedParameter(
            f"{self.param}: {self.title} does not enforce {what} in a JSON schema; "
            f"it enforces {self.honoured}",
            param=self.param,
        )

    def malformed(self, why: str) -> NoReturn:
        """Raises InvalidValue."""
        raise InvalidValue(f"{self.param}: this is no JSON schema: {why}", param=self.param)

    def check_beside(self, words: Collection[str], allowed: Collection[str], form: str) -> None:
        """Raises UnsupportedParameter for the first of `words` that is not allowed."""
        for name in words:
            if name not in allowed:
                beside = "a list of types" if form == LIST else repr(form)
                self.unsupported(f"{quoted(name)} beside {beside}")


def quoted(word: object) -> str:
    """Returns a client's word as it may stand in an error."""
    return repr(str(word)[:MAX_QUOTED])


def is_annotation(name: str) -> bool:
    return name in ANNOTATIONS or name.startswith(VENDOR)


def scalar_type(value: Any) -> str | None:
    """Returns the type of a value that JSON writes in one way; None for others."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer" if abs(value) < 2**53 else None
        case str():
            return "string"
    return None
