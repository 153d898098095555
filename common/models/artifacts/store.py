"""Artifacts in the BentoML model store, whole ones only, by what they were built from."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.errors import StartError
from common.models.artifacts.fingerprint import fingerprint
from common.models.artifacts.manifest import MANIFEST, Manifest, read_manifest, whole
from common.models.model import local_directory
from common.settings import Settings

BENTO = Path(__file__).parents[4]
"""The directory of the bento in which this code runs, if it does; its models lie in it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """`tag` is its name in the store, `name:version`."""

    tag: str
    path: Path
    manifest: Manifest


def store_directory() -> Path:
    """Returns the store of BentoML's models, under BENTOML_HOME."""
    from bentoml._internal.configuration.containers import BentoMLContainer

    return Path(BentoMLContainer.model_store_dir.get())


def stores() -> list[Path]:
    """Returns where models lie: in a bento that this code is in, then in the store."""
    inside = [BENTO / "models"] if (BENTO / "bento.yaml").is_file() else []
    return [*inside, store_directory()]


def artifacts() -> list[Artifact]:
    """Returns every whole artifact, newest first."""
    artifacts = {each.tag: each for store in reversed(stores()) for each in _artifacts(store)}
    return sorted(artifacts.values(), key=lambda each: each.manifest.created)[::-1]


def _artifacts(store: Path) -> Iterator[Artifact]:
    """Models that others put there have no manifest."""
    for file in store.glob(f"*/*/{MANIFEST}"):
        with suppress(StartError):
            manifest = read_manifest(file.parent)
            if whole(file.parent, manifest):
                tag = f"{file.parent.parent.name}:{file.parent.name}"
                yield Artifact(tag, file.parent, manifest)


def by_tag(tag: str) -> Artifact | None:
    return next((artifact for artifact in artifacts() if artifact.tag == tag), None)


def find(settings: Settings, *, kind: str, scheme: str | None = None) -> list[Artifact]:
    """Returns what was built from the model of `settings`, newest first.

    A directory is known by its content, a hub id by its name and, where one is set, its revision.
    Raises StartError for a model directory that does not exist.
    """
    candidates = [
        artifact
        for artifact in artifacts()
        if artifact.manifest.kind == kind and scheme in (None, artifact.manifest.scheme)
    ]
    if not candidates:
        return []
    is_source = _source_test(settings)
    return [artifact for artifact in candidates if is_source(artifact.manifest)]


def _source_test(settings: Settings) -> Callable[[Manifest], bool]:
    directory = local_directory(settings)
    if directory is not None:
        known = fingerprint(directory)
        return lambda manifest: manifest.fingerprint == known
    model, revision = settings.model, settings.revision
    return lambda manifest: manifest.model == model and revision in (None, manifest.revision)
