"""Fields that hold an answer to a form, in the spellings of OpenAI and of engines' servers."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from common.errors import InvalidValue
from common.http.accepted import STRUCTURED_OUTPUTS
from common.http.strict import Strict

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}

MAX_WRITTEN_OUT = 2000
"""Characters. Compilers of grammars write counted repetitions out, so that a short expression can
stand for a huge one. xgrammar 0.2 took at most 4 s of one core for those of this size that were
tried, with a vocabulary of 151,000 tokens."""
ATOM = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\{(?P<least>\d+)(?:,(?P<most>\d*))?\}|.", re.DOTALL)
"""A part of a regular expression, or of a GBNF grammar: an escape, a class, a counter, a sign."""
MANY = 10**9

Choices = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1, max_length=256, fail_fast=True),
]
Pattern = Annotated[str, Field(min_length=1, max_length=65_536)]
Schema = dict[str, Any] | str
"""A JSON schema, or its JSON text."""


class JSONSchemaFormat(Strict):
    name: str = Field("answer", min_length=1, max_length=64)
    description: str | None = None
    json_schema: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(Strict):
    """An object may come with its schema, which clients name `schema` or `value`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JSONSchemaFormat | None = None
    object_schema: dict[str, Any] | None = Field(None, alias="schema")
    value: dict[str, Any] | None = None

    def schema_of_document(self) -> Mapping[str, Any] | None:
        """Returns the schema, None for plain text. Raises InvalidValue."""
        if self.type == "text":
            return None
        if self.type == "json_object":
            return self.object_schema or self.value or ANY_OBJECT
        if self.json_schema is None:
            raise InvalidValue(
                "response_format of type json_schema needs the field json_schema",
                param="response_format",
            )
        return self.json_schema.json_schema


class StructuredOutputs(Strict):
    accepted = STRUCTURED_OUTPUTS
    json_form: Schema | None = Field(None, alias="json")
    """A JSON schema, an object or its text."""
    json_object: bool | None = None
    """Any JSON object."""
    choice: Choices | None = None
    """The texts of which the answer is one."""
    regex: Pattern | None = None
    """A regular expression, of up to 2,000 characters with its repetitions written out."""
    grammar: Pattern | None = None
    """A grammar in GBNF, of as many."""


class StructureFields(Strict):
    response_format: ResponseFormat | None = None
    """A JSON document, also as `json_object` with `schema` or `value`."""
    structured_outputs: StructuredOutputs | None = None
    """The form of the answer: a JSON document, one of some texts, a regular expression, a grammar.
    An answer has one form at most."""
    guided_json: Schema | None = None
    """Another name of `json` in `structured_outputs`."""
    guided_choice: Choices | None = None
    """Another name of `choice` in `structured_outputs`."""
    guided_regex: Pattern | None = None
    """Another name of `regex`."""
    guided_grammar: Pattern | None = None
    """Another name of `grammar`."""
    json_schema: Schema | None = None
    """Another name of `json` in `structured_outputs`."""
    regex: Pattern | None = None
    """A regular expression, which the whole answer follows."""
    ebnf: Pattern | None = None
    """Another name of `grammar`."""
    grammar: Pattern | None = None
    """A grammar in GBNF, which the whole answer follows."""


class Structure(NamedTuple):
    """`param` is the field by which a request asks for it."""

    kind: Literal["json", "choice", "regex", "grammar"]
    value: Any
    param: str


def requested_structure(body: StructureFields) -> Structure | None:
    """Returns the one form that the answer is to have. Raises InvalidValue for two."""
    if body.model_fields_set.isdisjoint(StructureFields.model_fields):
        return None
    outputs = body.structured_outputs or StructuredOutputs()
    form, inner = body.response_format, "structured_outputs"
    given = [
        Structure("json", form and form.schema_of_document(), "response_format"),
        Structure("json", outputs.json_form, f"{inner}.json"),
        Structure("json", ANY_OBJECT if outputs.json_object else None, f"{inner}.json_object"),
        Structure("choice", outputs.choice, f"{inner}.choice"),
        Structure("regex", outputs.regex, f"{inner}.regex"),
        Structure("grammar", outputs.grammar, f"{inner}.grammar"),
        Structure("json", body.guided_json, "guided_json"),
        Structure("choice", body.guided_choice, "guided_choice"),
        Structure("regex", body.guided_regex, "guided_regex"),
        Structure("grammar", body.guided_grammar, "guided_grammar"),
        Structure("json", body.json_schema, "json_schema"),
        Structure("regex", body.regex, "regex"),
        Structure("grammar", body.ebnf, "ebnf"),
        Structure("grammar", body.grammar, "grammar"),
    ]
    given = [each for each in given if each.value is not None]
    if len(given) > 1:
        raise InvalidValue(
            f"{given[1].param} cannot be used with {given[0].param}: an answer has one form",
            param=given[1].param,
        )
    if not given:
        return None
    (one,) = given
    return one._replace(value=_schema(one)) if one.kind == "json" else one


def _schema(structure: Structure) -> Any:
    """Returns a JSON schema as an object. Raises InvalidValue."""
    if not isinstance(structure.value, str):
        return structure.value
    try:
        value = json.loads(structure.value)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidValue(
            f"{structure.param} must be a JSON schema, an object or its text",
            param=structure.param,
        )
    return value


def check_written_out(structure: Structure) -> None:
    """Raises InvalidValue for a regular expression or grammar that is too large to be compiled."""
    size = _written_out(structure.value)
    if size > MAX_WRITTEN_OUT:
        raise InvalidValue(
            f"{structure.param} has {size} characters when its counted repetitions are written "
            f"out; allowed are at most {MAX_WRITTEN_OUT}",
            param=structure.param,
        )


def _written_out(text: str) -> int:
    """Returns how many characters and classes there are behind all counters, MANY at most."""
    groups, last = [0], 0
    for atom in ATOM.finditer(text):
        sign, added = atom[0], 1
        if sign == "(":
            groups.append(0)
            continue
        if sign == ")" and len(groups) > 1:
            last = added = groups.pop()
        elif atom["least"]:
            digits = max(atom["most"] or atom["least"], atom["least"], key=len)
            times = int(digits) if len(digits) < 10 else MANY
            added = last * max(times - 1, 0)
            last = min(last * max(times, 1), MANY)
        elif sign in "*+?" or sign.isspace():
            last = max(last, 1)
        else:
            last = 1
        groups[-1] = min(groups[-1] + added, MANY)
    return min(sum(groups), MANY)


def grammar_of(choices: list[str]) -> str:
    """Returns the grammar of one of these texts, in GBNF."""
    return "root ::= " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)


def schema_of(choices: list[str]) -> dict[str, Any]:
    """Returns the schema of an object with one of these texts: some engines take objects only."""
    return {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": choices}},
        "required": ["answer"],
        "additionalProperties": False,
    }
