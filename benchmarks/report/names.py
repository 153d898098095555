"""The names of backends as their users write them: vLLM, TensorRT-LLM."""

from collections.abc import Mapping
from functools import cache

from services._backends import backends, load


@cache
def titles() -> Mapping[str, str]:
    """Returns the title of each backend of this repository, as its engine class declares it."""
    return {name: load(name)[1].title for name in backends()}


def display_name(label: str) -> str:
    """Returns the title of a backend of this repository, with its series, if it has one; any other
    label is a name already."""
    name, comma, series = label.partition(", ")
    return f"{titles().get(name, name)}{comma}{series}"
