"""The arguments of the Engine, as the contract lists them."""

import ast
import json
from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).parents[3] / "contracts" / "sglang.json"
FIELDS: list[dict[str, str]] = json.loads(CONTRACT.read_text("utf-8"))["objects"][
    "sglang.srt.server_args:ServerArgs"
]["fields"]


def _default(field: dict[str, str]) -> Any:
    try:
        return ast.literal_eval(field["default"])
    except ValueError:
        return None


class ServerArgs:
    """Takes what it is given; wrong values come out when the engine starts."""

    __struct_fields__ = tuple(field["name"] for field in FIELDS)

    def __init__(self, **given: Any) -> None:
        for field in FIELDS:
            name = field["name"]
            if name not in given and "default" not in field:
                raise TypeError(f"Missing required argument '{name}'")
            setattr(self, name, given.pop(name) if name in given else _default(field))
        if given:
            raise TypeError(f"Unexpected keyword argument '{next(iter(given))}'")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)
