"""The page of the reference: HTML made of the OpenAPI document, without a script."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import orjson
from markupsafe import Markup, escape

from common.http.reference.body_schemas import NO_EFFECT, Schema

TEMPLATE = Path(__file__).parent.parent / "web" / "docs.html.jinja"
RANGES = (
    ("minimum", "from {:,}"),
    ("exclusiveMinimum", "above {:,}"),
    ("maximum", "up to {:,}"),
    ("exclusiveMaximum", "below {:,}"),
    ("minLength", "from {:,}"),
    ("maxLength", "up to {:,} characters"),
    ("minItems", "from {:,}"),
    ("maxItems", "up to {:,} entries"),
    ("pattern", "like {}"),
)
"""Keywords of JSON schemas, in words."""
NOT_KNOWN = "additionalProperties"
"""The key by which a request's objects say what further fields may be; answers may grow."""
HUGE = 2**31
"""Limits from here on are those of the number's type, and say nothing to a reader."""


def reference_page(document: Mapping[str, Any]) -> str:
    """Returns the page as HTML."""
    return _template().render(
        document=document, groups=_groups(document), rows=rows, type_of=type_of, prose=prose
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(TEMPLATE.read_text("utf-8"))


def _groups(document: Mapping[str, Any]) -> dict[str, list[Schema]]:
    """Returns the operations by their group, each with its method and path."""
    groups: dict[str, list[Schema]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            one = {"method": method.upper(), "path": path, **operation}
            groups[operation["tags"][0]].append(one)
    return groups


def rows(schema: Mapping[str, Any]) -> Iterator[Schema]:
    """Yields the fields of an object, those that have to be there first."""
    required = schema.get("required", ())
    properties = schema.get("properties", {})
    for name in sorted(properties, key=lambda name: name not in required):
        field = properties[name]
        yield {
            "name": name,
            "type": type_of(field),
            "mark": _mark(name in required, of_request=NOT_KNOWN in schema),
            "default": _code(field["default"]) if "default" in field else "",
            "description": prose(field.get("description", "")),
            "no_effect": field.get(NO_EFFECT, False),
        }


def _mark(required: bool, *, of_request: bool) -> str:
    """Returns what a reader has to know of a field: what to send, what not to wait for."""
    if of_request:
        return "required" if required else ""
    return "" if required else "not always"


def type_of(schema: Mapping[str, Any]) -> Markup:
    """Returns the type in words, with links to the objects in it; null is left out."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#{0}">{0}</a>').format(name)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            kinds = [type_of(each) for each in schema[key] if each.get("type") != "null"]
            return Markup(" or ").join(dict.fromkeys(kinds))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return Markup(" or ").join(_code(value) for value in values if value is not None)
    kind = schema.get("type", "any value")
    words = escape(kind)
    if kind == "array":
        words = Markup("array of {}").format(type_of(schema.get("items", {})))
    elif isinstance(schema.get("additionalProperties"), dict):
        words = Markup("object of {}").format(type_of(schema["additionalProperties"]))
    limits = [
        text.format(schema[key])
        for key, text in RANGES
        if key in schema and not (isinstance(schema[key], int) and abs(schema[key]) >= HUGE)
    ]
    return words + (escape(", " + " ".join(limits)) if limits else Markup(""))


def prose(text: str) -> Markup:
    """Returns the text with what stands between backticks as code."""
    pieces = [
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece)
        for index, piece in enumerate(text.split("`"))
    ]
    return Markup("").join(pieces)


def _code(value: Any) -> Markup:
    return Markup("<code>{}</code>").format(orjson.dumps(value).decode())
