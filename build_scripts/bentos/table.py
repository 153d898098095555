"""The bentos: each joins what its engine class says with what only bentos/bentos.toml knows."""

import dataclasses
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.engine import Engine
from common.errors import StartError
from services._backends import backends, load

ROOT = Path(__file__).parents[2]
FOLDER = "bentos"
TABLE = ROOT / FOLDER / "bentos.toml"
HOME = "/home/bentoml"
"""The home, in the image, of the user that BentoML makes there."""
CACHE = f"{HOME}/.cache"


@dataclass(frozen=True, slots=True)
class Packaging:
    """Holds a table of bentos/bentos.toml, where each name is explained."""

    image: str | None = None
    pinned: str | None = None
    cuda: str | None = None
    python: str = "3.11"
    lock: str = "base"
    in_image: bool = False
    release: str | None = None
    limits: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    env: Mapping[str, str] = field(default_factory=dict)
    setup: list[str] = field(default_factory=list)
    system_packages: list[str] = field(default_factory=list)
    extra: list[str] | None = None
    gpu: bool = False
    without_gpu: bool = False
    instance: str | None = None
    shm: str | None = None
    cache: str = "weights"


@dataclass(frozen=True)
class Bento:
    """Describes one bento; `variant` is "", or the name of another build of the same engine."""

    backend: str
    variant: str
    target: str
    """The service that bentoml starts: services.<backend>:<class>."""
    engine: type[Engine]
    packaging: Packaging

    @property
    def name(self) -> str:
        """The name of the bento, its image and its deployment: letters, digits and dashes."""
        return f"llm-{self.backend.replace('_', '-')}" + (
            f"-{self.variant}" if self.variant else ""
        )

    def file(self, name: str) -> str:
        """Returns the path from the root: bentos/vllm/setup.sh, bentos/vllm/setup.cpu.sh."""
        path = Path(FOLDER, self.backend, name)
        return str(path.with_suffix(f".{self.variant}{path.suffix}") if self.variant else path)

    @property
    def service(self) -> str:
        """The name of the service's class."""
        return self.target.rpartition(":")[2]

    @property
    def release(self) -> str:
        """The engine's version, without what else its class says about it."""
        return self.packaging.release or self.engine.release.split()[0]

    @property
    def image(self) -> str:
        """The base image, by its tag."""
        cuda, image = self.packaging.cuda, self.packaging.image or "python:{python}-slim"
        if cuda is not None:
            image = f"nvidia/cuda:{cuda}-devel-ubuntu24.04"
        return image.format(release=self.release, python=self.packaging.python)

    @property
    def base_image(self) -> str:
        """The base image as it is built on. Raises StartError where another one is pinned."""
        pinned = self.packaging.pinned
        if pinned is not None and pinned.partition("@")[0] != self.image:
            raise StartError(
                f"{TABLE.name} pins {pinned} for {self.name}, which is built on {self.image}; run: "
                "python -m build_scripts.bentos --digests"
            )
        return pinned or self.image

    @property
    def extra(self) -> list[str]:
        """The requirements of the engine, with those that its image already meets."""
        if self.packaging.extra is not None:
            return self.packaging.extra
        extra: list[str] = project()["optional-dependencies"][self.backend]
        return extra

    @property
    def requirements(self) -> list[str]:
        """The packages to install, without bentoml itself: `bentoml build` adds it."""
        own = [line for line in project()["dependencies"] if not line.startswith("bentoml==")]
        return own if self.packaging.in_image else [*self.extra, *own]

    @property
    def env(self) -> dict[str, str]:
        """The environment variables of the image."""
        values = {"HF_HOME": "{cache}/huggingface", **self.packaging.env}
        return {name: value.format(cache=CACHE, home=HOME) for name, value in values.items()}


@functools.cache
def project() -> dict[str, Any]:
    """Returns the table `project` of pyproject.toml."""
    values: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return values


def bentos(backend: str) -> list[Bento]:
    """Returns the bento of a backend, then its variants. Raises StartError for an unknown one."""
    known = backends()
    if backend not in known:
        raise StartError(f"no backend {backend!r}; there are: {', '.join(known)}")
    target, engine = load(backend)
    row = tomllib.loads(TABLE.read_text("utf-8")).get(backend, {})
    variants = {name: value for name, value in row.items() if is_variant(name, value)}
    plain = {name: value for name, value in row.items() if name not in variants}
    return [
        Bento(backend, variant, target, engine, _packaging(backend, values))
        for variant, values in {"": plain, **variants}.items()
    ]


def bento(backend: str, variant: str = "") -> Bento:
    """Returns one bento. Raises StartError for an unknown backend or variant."""
    variants = {each.variant: each for each in bentos(backend)}
    if variant not in variants:
        others = [each for each in backends() if variant in {one.variant for one in bentos(each)}]
        raise StartError(
            f"{backend} has no bento of its own for {variant!r}; there is one for: "
            f"{', '.join(others)}"
        )
    return variants[variant]


def is_variant(name: str, value: Any) -> bool:
    """Says whether an entry of a backend's table is a variant rather than a field."""
    return isinstance(value, dict) and name not in _field_names()


def all_bentos() -> list[Bento]:
    return [each for backend in backends() for each in bentos(backend)]


def _field_names() -> set[str]:
    return {field.name for field in dataclasses.fields(Packaging)}


def _packaging(backend: str, values: dict[str, Any]) -> Packaging:
    names = _field_names()
    for name in values:
        if name not in names:
            raise StartError(
                f"{FOLDER}/{TABLE.name}: {backend} has no {name!r}; allowed are: "
                f"{', '.join(sorted(names))}"
            )
    return Packaging(**values)
