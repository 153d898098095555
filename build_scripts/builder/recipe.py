"""The part of a builder that depends on its kind of artifact; the rest is the same for all."""

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from build_scripts.builder.source import Source

NO_RESULTS: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Step:
    """One command. `environment` is added to ours; its values may be secret and are not shown."""

    title: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def line(self) -> str:
        """The command as a person would type it."""
        return shlex.join(self.argv)


class Recipe(ABC):
    """Everything that decides the result must be in `scheme`, `arguments` or `tools`: what these,
    the source's content and the GPU say is the artifact's address."""

    kind: ClassVar[str]
    """The kind of the artifact: see Manifest."""
    module: ClassVar[str]
    """The module that a person runs: `python -m MODULE`."""
    for_one_gpu: bool = False
    """Whether the result runs on no other GPU than one like that it was built on."""

    @property
    @abstractmethod
    def scheme(self) -> str:
        """The scheme of the weights, by the plan's names."""

    @property
    @abstractmethod
    def arguments(self) -> Mapping[str, Any]:
        """Everything else that changes the result, in JSON's types."""

    @abstractmethod
    def tools(self) -> Mapping[str, str]:
        """Returns the version of each tool. Raises BuildError where one is missing."""

    @abstractmethod
    def check(self, source: Source) -> None:
        """Raises BuildError for what cannot work, before anything takes long."""

    @abstractmethod
    def needed_bytes(self, source: Source) -> int:
        """Returns the disk, at most, for the result and everything written on the way to it."""

    @abstractmethod
    def steps(self, source: Source, output: Path, scratch: Path) -> Sequence[Step]:
        """Returns the commands that fill `output`, an empty directory. `scratch` is another, which
        is removed afterwards. Nothing is written here."""

    def finish(self, source: Source, output: Path) -> Mapping[str, Any]:
        """Looks at the result and returns what goes into the manifest. Raises BuildError when
        something is missing."""
        return NO_RESULTS
