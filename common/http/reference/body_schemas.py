"""JSON schemas of bodies, made of the models that check them."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from common.http.accepted import Accepted
from common.http.schemas import ChatBody
from common.http.strict import Strict

REF = "#/components/schemas/{model}"
NO_EFFECT = "x-without-effect"
"""The key that marks a field which is accepted because it changes nothing."""
ABSENT = {"type": "null"}
Schema = dict[str, Any]

OLDER: Mapping[str, Schema] = {
    "functions": {
        "anyOf": [{"type": "array", "items": {"$ref": REF.format(model="Function")}}, ABSENT],
        "description": "Became `tools`.",
        "deprecated": True,
    },
    "function_call": {
        "anyOf": [
            {"enum": ["none", "auto"]},
            {"$ref": REF.format(model="NamedFunction")},
            ABSENT,
        ],
        "description": "Became `tool_choice`.",
        "deprecated": True,
    },
}
"""Fields of a chat that are translated before it is checked, see common/http/messages.py."""


class BodySchemas(GenerateJsonSchema):
    """Says of a body what Strict does: null is absent, and some fields have no effect."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        value = super().model_schema(schema)
        cls = schema["cls"]
        if not issubclass(cls, Strict):
            return value
        del value["title"]
        required = value.get("required", ())
        properties = value.setdefault("properties", {})
        for name, each in properties.items():
            if name not in required:
                properties[name] = _optional(each)
        properties |= {n: _without_effect(e) for n, e in cls.accepted.items()}
        value["properties"] = {**properties, **(OLDER if cls is ChatBody else {})}
        value["additionalProperties"] = ABSENT
        return value


def schemas_of(
    types: Iterable[Any], *, ignores_unknown: bool
) -> tuple[Mapping[Any, Schema], dict[str, Schema]]:
    """Returns the schema of each type, and the named schemas to which these refer."""
    places, schemas = TypeAdapter.json_schemas(
        [(each, "validation", TypeAdapter(each)) for each in types],
        ref_template=REF,
        schema_generator=BodySchemas,
    )
    named = {name: _plain(each) for name, each in schemas["$defs"].items()}
    for each in named.values():
        if ignores_unknown and each.get("additionalProperties") == ABSENT:
            each["additionalProperties"] = True
    return {each: schema for (each, _), schema in places.items()}, named


def _optional(schema: Schema) -> Schema:
    """Returns the schema of a field that may be null, which is no default worth telling."""
    if schema.get("default", ...) is None:
        return {key: value for key, value in schema.items() if key != "default"}
    outside = ("default", "description")
    inner = {key: value for key, value in schema.items() if key not in outside}
    kept = {key: schema[key] for key in outside if key in schema}
    return {"anyOf": [inner, ABSENT], **kept}


def _without_effect(entry: Accepted) -> Schema:
    texts = ([f"No effect: {entry.reason}"] if entry.reason else []) + (
        [f"Other values are refused: {entry.refusal}"] if entry.refusal else []
    )
    value: Schema = {"description": ". ".join(texts) + ".", NO_EFFECT: True}
    return value if entry.values is None else {"enum": [*entry.values, None], **value}


def _plain(schema: Any) -> Any:
    """Returns the schema with its descriptions on one line."""
    if isinstance(schema, dict):
        return {
            key: " ".join(value.split())
            if key == "description" and isinstance(value, str)
            else _plain(value)
            for key, value in schema.items()
        }
    return [_plain(each) for each in schema] if isinstance(schema, list) else schema
