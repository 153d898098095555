"""TGI's OpenAPI document as a check of requests, stricter than TGI: no field it does not name."""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]

DOCUMENT = Path(__file__).parents[2] / "contracts" / "tgi_openapi.json"


RANGES = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"}


class Problem(NamedTuple):
    """`of_range`: the types are right, as serde sees it; the router looks at the rest."""

    message: str
    of_range: bool


def problem(component: str, value: Any) -> Problem | None:
    """What is wrong with a body of the type `component`, None when nothing is."""
    last = None
    for error in leaves(validator(component).iter_errors(value)):
        path = ".".join(map(str, error.absolute_path)) or "body"
        last = Problem(f"{path}: {error.message}", error.validator in RANGES)
        if not last.of_range:
            return last
    return last


def leaves(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """Without the alternative null of what may be null."""
    for error in errors:
        if error.validator == "anyOf":
            yield from leaves(e for e in error.context if e.schema != {"type": "null"})
        else:
            yield error


@cache
def validator(component: str) -> Draft202012Validator:
    components = json.loads(DOCUMENT.read_text("utf-8"))["components"]
    reference = f"#/components/schemas/{component}"
    return Draft202012Validator({"$ref": reference, "components": strict(components)})


def strict(node: Any) -> Any:
    """OpenAPI 3.0's dialect as JSON Schema."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    values = {name: strict(value) for name, value in node.items()}
    if isinstance(values.get("properties"), dict):
        values.setdefault("additionalProperties", False)
    return {"anyOf": [values, {"type": "null"}]} if node.get("nullable") is True else values
