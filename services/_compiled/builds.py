"""The compiled model that a service loads, from the BentoML model store or a directory.

The setting `engine_dir` is a directory, a tag of the store, or "auto": the newest that was built
from the service's model, with the scheme and for the number of GPUs that the settings ask for.
"""

import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import StartError
from common.files import read_json
from common.models.artifacts import MANIFEST, Artifact, find, store_directory
from common.models.artifacts.manifest import read_manifest
from common.models.gpu import visible_gpus
from common.models.store_tags import is_tag, stored_directory
from common.plan.tables import table
from common.settings import Settings

AUTO = "auto"
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of compiled model: `name` is Manifest.kind, `title` what a person calls it.

    `engine` is that whose quantization.toml has the schemes. `tool` writes it, in a `release` whose
    first `parts` numbers have to be those of the manifest. `gpus` is the builder's flag, as an
    argument in the manifest, for how many GPUs share the model.
    """

    name: str
    title: str
    engine: str
    builder: str
    tool: str
    release: str
    parts: int
    gpus: str

    def command(self, settings: Settings) -> str:
        """Returns the command that builds what the settings ask for."""
        words = ["python", "-m", self.builder]
        for flag, value in (("model", settings.model), ("revision", settings.revision)):
            words += [] if value is None else [f"--{flag}", value]
        if self.asked(settings) is not None:
            words += ["--quantization", self.schemes(settings)[0]]
        if settings.tensor_parallel_size > 1:
            words += [f"--{self.gpus.replace('_', '-')}", str(settings.tensor_parallel_size)]
        return shlex.join(words)

    def missing(self, what: str, command: str) -> StartError:
        """Returns the error for a directory that is not whole; `command` makes one that is."""
        return StartError(f"setting 'engine_dir': {what}; compile one with: {command}")

    def check_whole(self, directory: Path, record: "Record", command: str) -> None:
        """Raises StartError for a file that is not there as long as the builder left it."""
        for name, size in record.sizes.items():
            file = directory / name
            if not file.is_file():
                raise self.missing(f"{directory} has no {name}", command)
            if (found := file.stat().st_size) != size:
                raise self.missing(f"{file} is damaged: {found} bytes instead of {size}", command)

    def asked(self, settings: Settings) -> str | None:
        return None if settings.quantization in (None, AUTO) else settings.quantization

    def schemes(self, settings: Settings) -> tuple[str, ...]:
        """Returns the builder's name of the scheme that is asked for, then the engine's names."""
        name = self.asked(settings)
        rows = table(self.engine, self.title).schemes
        row = next((row for row in rows if name in row.names), None)
        return (str(name),) if row is None else tuple(dict.fromkeys((row.name, *row.names)))


@dataclass(frozen=True, slots=True)
class Record:
    """The contents of build.json beside a compiled model; None where it, or a line, is missing.

    `device` is what was compiled for, where that can be another than NVIDIA's GPUs. `sizes` are
    the bytes of each file.
    """

    scheme: str | None
    compute_capability: str | None
    gpu: str | None
    command: str | None
    device: str | None
    tools: Mapping[str, Any]
    sizes: Mapping[str, int]

    @property
    def again(self) -> str:
        """The end of a sentence that says how to build it again."""
        where = "compile it on this machine"
        return f"{where}: {self.command}" if self.command else where


def read_record(directory: Path) -> Record:
    """Raises StartError for a file that is no JSON object."""
    file = directory / MANIFEST
    values = read_json(file) if file.exists() else {}

    def text(name: str, inside: Mapping[str, Any] = values) -> str | None:
        value = inside.get(name)
        return None if value is None else str(value)

    return Record(
        scheme=text("scheme"),
        compute_capability=text("compute_capability"),
        gpu=text("gpu"),
        command=text("command"),
        device=text("device", _object(values.get("arguments"))),
        tools=_object(values.get("tools")),
        sizes={
            name: int(entry["size"])
            for name, entry in _object(values.get("files")).items()
            if "size" in _object(entry)
        },
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def directory_of(settings: Settings, kind: Kind) -> Path:
    """Returns the directory that `engine_dir` means, which need not exist when it is named.

    Raises StartError for a tag that the store lacks, and when nothing in it fits the settings.
    """
    named = settings.engine_dir
    if named is None or named == AUTO:
        return _newest(settings, kind).path
    return _tagged(named, kind) if is_tag(named) else Path(named).expanduser().absolute()


def _tagged(tag: str, kind: Kind) -> Path:
    """One that others put into the store has no manifest to tell its kind."""
    path = stored_directory("engine_dir", tag)
    if not (path / MANIFEST).exists():
        return path
    manifest = read_manifest(path)
    if manifest.kind != kind.name:
        raise StartError(
            f"setting 'engine_dir': {tag} is of the kind {manifest.kind!r}; needed is {kind.name!r}"
        )
    return path


def _newest(settings: Settings, kind: Kind) -> Artifact:
    """Returns the newest that fits the settings, and this GPU where one does."""
    built = find(settings, kind=kind.name)
    fitting = [artifact for artifact in built if _fits(artifact, settings, kind)]
    if not fitting:
        raise kind.missing(f"needed, for {_lack(settings, kind, built)}", kind.command(settings))
    here = _capabilities()
    loads = (each for each in fitting if each.manifest.compute_capability in (None, *here))
    return next(loads, fitting[0])


def _fits(artifact: Artifact, settings: Settings, kind: Kind) -> bool:
    manifest = artifact.manifest
    gpus = manifest.arguments.get(kind.gpus, 1)
    scheme = kind.asked(settings) is None or manifest.scheme in kind.schemes(settings)
    return scheme and gpus == settings.tensor_parallel_size


def _lack(settings: Settings, kind: Kind, built: list[Artifact]) -> str:
    asked = kind.asked(settings)
    scheme = f" as {asked}" if asked else ""
    many = settings.tensor_parallel_size
    gpus = f" for {many} GPUs" if many > 1 else ""
    lack = (
        f"the model store {store_directory()} has no {kind.title} of "
        f"{settings.model or 'the demo model'}{scheme}{gpus}"
    )
    others = [
        f"{each.tag} ({each.manifest.scheme}, {each.manifest.arguments.get(kind.gpus, 1)} GPU)"
        for each in built[:SHOWN]
    ]
    return f"{lack}, only {', '.join(others)}" if others else lack


def _capabilities() -> list[str]:
    """Returns those of the GPUs here; a missing GPU is an error when the engine is checked."""
    with suppress(StartError):
        return [gpu.compute_capability for gpu in visible_gpus("any kind")]
    return []
