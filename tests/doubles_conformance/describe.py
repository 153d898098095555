"""Prints what the objects of a double take, as JSON by the targets that are its arguments.

A target is `module:path`. The double has to be on the path; what it lacks is null.
"""

import enum
import importlib
import inspect
import json
import sys
from typing import Any

FACTORY = "<factory>"
"""Stands for a default that is not a literal."""


def resolve(target: str) -> Any:
    module, _, path = target.partition(":")
    value = importlib.import_module(module)
    for name in path.split("."):
        value = getattr(value, name)
    return value


def describe(target: str) -> dict[str, Any] | None:
    try:
        value = resolve(target)
    except (ImportError, AttributeError):
        return None
    if isinstance(value, enum.EnumMeta):
        return {"members": list(value.__members__)}
    return {
        "parameters": parameters(value),
        "asynchronous": inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value),
        "is_generator": inspect.isasyncgenfunction(value),
    }


def parameters(value: Any) -> list[dict[str, str | None]]:
    """Returns name, kind and default of the parameters of a call, or the fields of a class."""
    if hasattr(value, "__struct_fields__"):
        names = value.__struct_fields__
        return [{"name": name, "kind": "keyword_only", "default": FACTORY} for name in names]
    if hasattr(value, "model_fields"):
        return [
            {"name": name, "kind": "keyword_only", "default": field_default(field)}
            for name, field in value.model_fields.items()
        ]
    return [
        {
            "name": parameter.name,
            "kind": parameter.kind.name.lower(),
            "default": None if parameter.default is parameter.empty else repr(parameter.default),
        }
        for parameter in signature(value)
        if parameter.name != "self"
    ]


def signature(value: Any) -> list[inspect.Parameter]:
    """Returns none for an exception whose constructor is that of its base."""
    try:
        return list(inspect.signature(value).parameters.values())
    except ValueError:
        return []


def field_default(field: Any) -> str | None:
    if field.is_required():
        return None
    return FACTORY if field.default_factory is not None else repr(field.default)


if __name__ == "__main__":
    print(json.dumps({target: describe(target) for target in sys.argv[1:]}))
