"""Classes with the fields of a recorded contract, which so are written once."""

import ast
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

CONTRACTS = Path(__file__).parent / "contracts"


def fields(contract: str, target: str) -> dict[str, tuple[Any, Any]]:
    """Returns annotation and default of each field by its name: Any where the contract tells no
    annotation that is understood here, `...` without a default, None for one that is no literal."""
    objects = json.loads((CONTRACTS / f"{contract}.json").read_text("utf-8"))["objects"]
    return {
        field["name"]: (_annotation(field.get("annotation", "Any")), _default(field.get("default")))
        for field in objects[target]["fields"]
    }


def _annotation(source: str) -> Any:
    try:
        return eval(source, {**vars(typing)})
    except NameError:
        return Any


def _default(source: str | None) -> Any:
    try:
        return ... if source is None else ast.literal_eval(source)
    except ValueError:
        return None


class Recorded:
    """The base of dataclasses. A default that a class gives itself goes before the contract's."""

    if TYPE_CHECKING:

        def __init__(self, *values: Any, **named: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __init_subclass__(
        cls, contract: str, target: str, make: Callable[[type], Any] = dataclass
    ) -> None:
        known = fields(contract, target)
        cls.__annotations__ = {name: annotation for name, (annotation, _) in known.items()}
        for name, (_, default) in known.items():
            if name not in vars(cls) and default is not ...:
                setattr(cls, name, default)
        make(cls)
