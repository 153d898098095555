"""Puts a finished directory into the BentoML model store, whole or not at all."""

import hashlib
import os
import shutil
from pathlib import Path

from bentoml._internal.models.model import Model, ModelContext

from build_scripts.builder.address import Address
from common.models.artifacts import FileEntry, Manifest

MODEL_YAML = "model.yaml"
LATEST = "latest"


def file_entries(directory: Path) -> dict[str, FileEntry]:
    """Every file below `directory`."""
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    return {
        file.relative_to(directory).as_posix(): FileEntry(_sha256(file), file.stat().st_size)
        for file in files
    }


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def publish(store: Path, address: Address, output: Path, manifest: Manifest) -> Path:
    """Rename `output` into the store. BentoML itself would copy it there file by file, and list
    what is there of it when that is interrupted."""
    manifest.write(output)
    _write_model_yaml(output, address, manifest)
    for file in (*output.rglob("*"), output):
        _sync(file)
    target = store / address.name / address.version
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        # Rebuilt on request, or no longer whole.
        old = output.with_name("old")
        target.rename(old)
        shutil.rmtree(old)
    output.rename(target)
    latest = target.parent / LATEST
    fresh = latest.with_name(f"{LATEST}.{os.getpid()}")
    fresh.write_text(address.version, "utf-8")
    fresh.rename(latest)
    return target


def _sync(file: Path) -> None:
    """A rename that reaches the disk before the content would leave empty files after a crash."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_model_yaml(output: Path, address: Address, manifest: Manifest) -> None:
    labels = {
        "kind": manifest.kind,
        "scheme": manifest.scheme,
        "model": manifest.model.replace("/", "_"),
    }
    model = Model.create(
        address.tag,
        module="",
        api_version="v1",
        signatures={},
        labels=labels,
        metadata={"model": manifest.model, "revision": manifest.revision or ""},
        context=ModelContext(framework_name="", framework_versions={}),
    )
    with (output / MODEL_YAML).open("w", encoding="utf-8") as file:
        model.info.dump(file)
