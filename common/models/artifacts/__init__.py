"""The results of build_scripts/ for services, in the BentoML model store."""

from common.models.artifacts.manifest import MANIFEST, FileEntry, Manifest
from common.models.artifacts.store import Artifact, artifacts, by_tag, find, store_directory, stores

__all__ = [
    "MANIFEST",
    "Artifact",
    "FileEntry",
    "Manifest",
    "artifacts",
    "by_tag",
    "find",
    "store_directory",
    "stores",
]
