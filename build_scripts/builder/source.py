"""The model that something is built from."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from build_scripts.builder.errors import BuildError
from common.errors import StartError
from common.models.artifacts.fingerprint import WEIGHTS, fingerprint
from common.models.config import CONFIG, ModelConfig, read_config
from common.models.hub import download
from common.models.model import DEMO_MODEL, local_directory
from common.settings import Settings


@dataclass(frozen=True)
class Source:
    """`model` is the hub id, or the name of a directory; `revision` the commit on the hub."""

    path: Path
    model: str
    revision: str | None

    @cached_property
    def config(self) -> ModelConfig:
        return read_config(self.path)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.path)

    @property
    def weight_bytes(self) -> int:
        """The bytes of the weight files; 0 where they were not fetched."""
        files = (file for file in self.path.iterdir() if file.suffix in WEIGHTS)
        return sum(file.stat().st_size for file in files)


def open_source(model: str | None, revision: str | None, *, weights: bool = True) -> Source:
    """Opens a directory, a hub id, or None for the demo model; a hub id is fetched.

    Without `weights` only its small files are. Raises BuildError.
    """
    settings = Settings(model=model, revision=revision)
    try:
        path = local_directory(settings)
        local = path is not None
        path = path or download(settings, weights=weights)
        if not (path / CONFIG).is_file():
            raise BuildError(f"{path} has no config.json: it is no model in Hugging Face layout")
    except StartError as error:
        raise BuildError(str(error).replace("setting 'model'", "--model")) from None
    if local:
        source = Source(path, "demo" if path == DEMO_MODEL else path.name, None)
    else:
        # The hub's cache names each snapshot's folder by its commit.
        source = Source(path, str(model), path.name)
    if weights and not source.weight_bytes:
        raise BuildError(f"{path} has no weights: needed are *.safetensors or *.bin files")
    return source
