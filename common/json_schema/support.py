"""What a grammar compiler enforces, as data; a schema that asks for more is refused by name."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from common.json_schema.limits import SchemaLimits
from common.json_schema.words import ANY, LIST, TRUE, TYPES, Refusals

NOT_KEYWORDS = {ANY, LIST, TRUE, *TYPES}


@dataclass(frozen=True)
class SchemaSupport:
    """Says what the engine `title` enforces: for each form of a schema the keywords beside it.

    The form is the first of FORMS that the schema has, else its type, else ANY, LIST for a list of
    types, TRUE for `true` in place of a schema. What is not listed is refused, since the compiler
    would ignore it, or fail.

    `formats` are the formats of strings that may be named; None allows any, where a format
    restricts nothing. Compilers with `rules` compile a reference once, and it may lead back to
    where it stands; others write it out. `closed` compilers allow no items but those named. Those
    with `mixes_names` let an additional property take the name of a declared one, of another type.
    With `escapes` any name or choice of strings is written as JSON writes it.
    """

    title: str
    keywords: Mapping[str, Collection[str]]
    formats: Collection[str] | None = None
    rules: bool = False
    closed: bool = False
    mixes_names: bool = False
    escapes: bool = False
    limits: SchemaLimits = field(default_factory=SchemaLimits)

    def refusals(self, param: str) -> Refusals:
        """Returns what raises the errors of a schema in the field `param`."""
        keywords = {*self.keywords, *(each for row in self.keywords.values() for each in row)}
        return Refusals(param, self.title, ", ".join(sorted(keywords - NOT_KEYWORDS)))
