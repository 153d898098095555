"""What a builder of one kind of artifact has to say; the rest is the same for all."""

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
        """As a person would type it."""
        return shlex.join(self.argv)


class Recipe(ABC):
    """Everything that decides the result must be in `scheme`, `arguments` or `tools`: what these,
    the source's content and the GPU say is the artifact's address."""

    kind: ClassVar[str]
    """Of the artifact: see Manifest."""
    module: ClassVar[str]
    """That a person runs: `python -m MODULE`."""
    for_one_gpu: bool = False
    """Whether the result runs on no other GPU than one like that it was built on."""

    @property
    @abstractmethod
    def scheme(self) -> str:
        """Of the weights, as the plan names it."""

    @property
    @abstractmethod
    def arguments(self) -> Mapping[str, Any]:
        """Everything else that changes the result, in JSON's types."""

    @abstractmethod
    def tools(self) -> Mapping[str, str]:
        """Each tool that is used, with its version. Raises BuildError where one is missing."""

    @abstractmethod
    def check(self, source: Source) -> None:
        """Raises BuildError for what cannot work, before anything takes long."""

    @abstractmethod
    def needed_bytes(self, source: Source) -> int:
        """Of disk, at most, for the result and everything written on the way to it."""

    @abstractmethod
    def steps(self, source: Source, output: Path, scratch: Path) -> Sequence[Step]:
        """The commands that fill `output`, an empty directory. `scratch` is another, removed
        afterwards. Must not write anything itself."""

    def finish(self, source: Source, output: Path) -> Mapping[str, Any]:
        """Look at the result; what it returns goes into the manifest. Raises BuildError when
        something is not there that has to be."""
        return NO_RESULTS
