"""The schemas of whole JSON documents of calls.

Only a document as a whole gets the tokens that go across its brackets: where the brackets around
the arguments are plain text of the grammar, xgrammar 0.2.8 masks a token such as `}}` with a line's
end.
"""

from collections.abc import Mapping
from typing import Any

from common.text.tool_calls.parser import Schemas


def call_document(
    name: str, arguments: Mapping[str, Any], keys: tuple[str, str], root: str = "#"
) -> dict[str, Any]:
    """Returns the schema of an object with `name` and the arguments, by their keys.

    `root` is where the object stands in the document.
    """
    name_key, arguments_key = keys
    moved = _moved(arguments, f"{root}/properties/{arguments_key}")
    return {
        "type": "object",
        "properties": {name_key: {"const": name}, arguments_key: moved},
        "required": [name_key, arguments_key],
        "additionalProperties": False,
    }


def call_list(schemas: Schemas, keys: tuple[str, str], *, several: bool) -> dict[str, Any]:
    """Returns the schema of a list of such objects, of which there is at least one."""
    calls = {
        f"call{index}": call_document(name, schema, keys, f"#/$defs/call{index}")
        for index, (name, schema) in enumerate(schemas.items())
    }
    return {
        "type": "array",
        "items": {"anyOf": [{"$ref": f"#/$defs/{call}"} for call in calls]},
        "minItems": 1,
        **({} if several else {"maxItems": 1}),
        "$defs": calls,
    }


def _moved(part: Any, root: str) -> Any:
    """Returns a schema whose references lead to the place where it stands now."""
    if isinstance(part, Mapping):
        return {
            key: root + value.removeprefix("#")
            if key == "$ref" and isinstance(value, str)
            else _moved(value, root)
            for key, value in part.items()
        }
    return [_moved(each, root) for each in part] if isinstance(part, list) else part
