"""YAML that knows its lines, so that an error can name one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

YamlPath = tuple[str | int, ...]


class StudyError(Exception):
    """Says what the author of a study can mend; a line for each mistake."""


@dataclass(frozen=True)
class YamlText:
    """A file's text and what it says. `lines` has the line of each value by its path of keys and
    indices; the root's is ()."""

    file: Path
    source: str
    value: Any
    lines: dict[YamlPath, int] = field(repr=False)

    def error(self, path: YamlPath, message: str) -> StudyError:
        """Returns one with `message` at the line of `path`, or of the nearest thing around it."""
        nearest = path
        while nearest and nearest not in self.lines:
            nearest = nearest[:-1]
        name = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        return StudyError(
            f"{self.file}, line {self.lines[nearest]}: {name + ': ' if name else ''}{message}"
        )


def read_yaml(file: Path) -> YamlText:
    """Returns what the file says. Raises StudyError for one that cannot be read, is no YAML or says
    a thing twice."""
    try:
        source = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise StudyError(f"{file}: {reason}") from None
    try:
        node = yaml.compose(source, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise StudyError(f"{file}{_line(error)}: {_problem(error)}") from None
    if node is None:
        raise StudyError(f"{file}: is empty; benchmarks/studies/ holds examples")
    text = YamlText(file, source, None, {})
    try:
        value = _value(node, (), text)
    except RecursionError:
        raise StudyError(f"{file}: holds itself by an alias, or is nested too deep") from None
    return YamlText(file, source, value, text.lines)


def _value(node: yaml.Node, path: YamlPath, text: YamlText) -> Any:
    text.lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, text)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), text) for index, item in enumerate(node.value)]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError):
        raise text.error(path, f"{node.value!r} cannot be read as {node.tag}") from None


def _mapping(node: yaml.MappingNode, path: YamlPath, text: YamlText) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise StudyError(f"{text.file}, line {line}: a key has to be a word")
        key = key_node.value
        if key in mapping:
            raise StudyError(f"{text.file}, line {line}: {key!r} is given twice")
        mapping[key] = _value(value_node, (*path, key), text)
        text.lines[*path, key] = line
    return mapping


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark is not None else ""


def _problem(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None)
    return " ".join(str(problem or error).split())
