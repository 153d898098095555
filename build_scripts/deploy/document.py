"""A deployment file, and where each of its keys stands."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from build_scripts.deploy.errors import DeployError

Place = tuple[str | int, ...]
"""Keys, and numbers of list items, from the top of the file to a value."""


@dataclass
class Document:
    """The values of a file. `origins` say where each stands: "file:line", or an option."""

    name: str
    data: dict[str, Any]
    origins: dict[Place, str] = field(default_factory=dict)

    def error(self, place: Place, message: str) -> DeployError:
        """A problem with what stands at `place`, or is missing there."""
        found = place
        while found and found not in self.origins:
            found = found[:-1]
        return DeployError(f"{self.origins.get(found, self.name)}: {message}")

    def get(self, *place: str) -> Any:
        """The value there, None where there is none."""
        value: Any = self.data
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def put(self, place: tuple[str, ...], value: Any, origin: str) -> None:
        """Set a value, and make the mappings above it. Raises DeployError."""
        target = self.data
        for depth, key in enumerate(place[:-1], 1):
            inner = target.get(key)
            if inner is None:
                inner = target[key] = {}
                self.origins[place[:depth]] = origin
            if not isinstance(inner, dict):
                raise DeployError(f"{origin}: {'.'.join(place[:depth])} holds no keys")
            target = inner
        target[place[-1]] = value
        for known in [known for known in self.origins if known[: len(place)] == place]:
            del self.origins[known]
        self.origins[place] = origin


def read_document(path: Path, name: str) -> Document:
    """`name` is shown for `path`. Raises DeployError, also for a key that stands there twice,
    of which BentoML would take the last."""
    try:
        node = yaml.compose(path.read_text("utf-8"), yaml.SafeLoader)
    except OSError as error:
        raise DeployError(f"{name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DeployError(f"{name}: is no UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DeployError(f"{name}{line}: is no YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DeployError(f"{name}: is no YAML: {str(error).splitlines()[0]}") from None
    document = Document(name, {})
    if not isinstance(node, yaml.MappingNode):
        raise DeployError(f"{name}: has to be a mapping of keys to values")
    document.data = _Reader(document).mapping(node, ())
    return document


class _Reader:
    """Makes values of YAML's nodes, and notes their lines."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.open: list[yaml.Node] = []
        self.scalars = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, place: Place) -> Any:
        if any(node is outer for outer in self.open):
            raise self.document.error(place, "contains itself")
        self.open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node, place)
            if isinstance(node, yaml.SequenceNode):
                return list(self.items(node, place))
            return self.scalar(node, place)
        finally:
            self.open.pop()

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node, place)
            inner = (*place, key)
            if key in found:
                first = self.document.origins[inner]
                self.note(inner, key_node)
                raise self.document.error(inner, f"{key!r} stands here again, first at {first}")
            self.note(inner, key_node)
            found[key] = self.value(value_node, inner)
        return found

    def key(self, node: yaml.Node, place: Place) -> str:
        if isinstance(node, yaml.ScalarNode):
            key = self.scalar(node, place)
            if isinstance(key, str):
                return key
        raise self.document.error(
            place, f"line {node.start_mark.line + 1}: a key has to be a word, in quotes if need be"
        )

    def items(self, node: yaml.SequenceNode, place: Place) -> Iterator[Any]:
        for number, item in enumerate(node.value):
            self.note((*place, number), item)
            yield self.value(item, (*place, number))

    def scalar(self, node: yaml.Node, place: Place) -> Any:
        try:
            return self.scalars.construct_object(node)
        except yaml.constructor.ConstructorError as error:
            raise self.document.error(place, f"cannot be read: {error.problem}") from None
        except ValueError as error:
            raise self.document.error(place, f"cannot be read: {error}") from None

    def note(self, place: Place, node: yaml.Node) -> None:
        self.document.origins[place] = f"{self.document.name}:{node.start_mark.line + 1}"
