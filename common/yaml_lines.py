"""YAML files that people write: their values, and the line of each for errors."""

from dataclasses import dataclass, field
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]
"""Keys, and indices of list items, from the top of the file to a value."""


class YAMLFault(Exception):
    """One line without the name of the file. `line` is None where no line is at fault."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class YAMLText:
    """The value of a file, None for an empty one, and the lines by the path of keys, from 1 on."""

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int:
        """Returns the line of what stands at `path`, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse_yaml(text: str) -> YAMLText:
    """Raises YAMLFault for what is no YAML, says a thing twice, or holds itself."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        line = None if mark is None else mark.line + 1
        raise YAMLFault(" ".join(str(problem).split()), line) from None
    if node is None:
        return YAMLText()
    lines: dict[KeyPath, int] = {}
    try:
        return YAMLText(_value(node, (), lines), lines)
    except RecursionError:
        raise YAMLFault("holds itself by an alias, or is nested too deep") from None


def _value(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> Any:
    line = lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines) for index, item in enumerate(node.value)]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError):
        raise YAMLFault(f"{node.value!r} cannot be read as {node.tag}", line) from None


def _mapping(node: yaml.MappingNode, path: KeyPath, lines: dict[KeyPath, int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise YAMLFault("a key has to be a word", line)
        key = key_node.value
        if key in values:
            raise YAMLFault(f"{key!r} is given twice", line)
        lines[*path, key] = line
        values[key] = _value(value_node, (*path, key), lines)
    return values
