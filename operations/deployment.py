"""One backend on one machine: what the files for Docker Compose and systemd are made from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build_scripts.bentos import container
from common.engine import Engine
from common.errors import StartError
from common.models.store_tags import is_tag, stored_directory
from common.secrets import refuse_secrets
from common.settings import Settings, load_settings
from scripts import extra_is_met
from services._backends import backends, load

ROOT = Path(__file__).parents[1]
SECRETS = {"HF_TOKEN", "API_KEYS"}
ALONE = {"EXIT_WHEN_DEAD": "True"}
"""Settings of a service that is started anew when it ends, and of which nobody asks /livez."""
NAME = re.compile(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?")


@dataclass(frozen=True)
class Deployment:
    """A backend with settings that were checked. `target` is what `bentoml serve` is given.

    `environment` holds the settings as variables. A service that is `open_to_all` asks for no API
    key. Times are in seconds.
    """

    engine: type[Engine]
    target: str
    name: str
    settings: Settings
    environment: Mapping[str, str]
    gpus: int
    start_seconds: int
    open_to_all: bool

    @property
    def title(self) -> str:
        return self.engine.title

    @property
    def keys_folder(self) -> list[str]:
        """Returns the folder of `api_keys_file`, if there is one. Raises StartError."""
        file = self.settings.api_keys_file
        if file is None:
            return []
        if not Path(file).is_absolute():
            raise StartError(
                f"api_keys_file {file!r} is not absolute, and the service runs elsewhere"
            )
        return [str(Path(file).parent)]

    @property
    def stop_seconds(self) -> int:
        return container.stop_seconds(self.settings)


def create_deployment(
    backend: str,
    arguments: Mapping[str, str],
    name: str | None = None,
    gpus: int | None = None,
    start_seconds: int | None = None,
    open_to_all: bool = False,
) -> Deployment:
    """Returns the deployment, with a default for each option that is None.

    Raises StartError, one line, for what would be accepted and then not run.
    """
    name = deployment_name(backend, name)
    for argument in arguments:
        if argument.upper() in SECRETS:
            raise StartError(
                f"{argument} is a secret; it comes from outside, see docs/operations.md"
            )
    target, engine = load(backend)
    settings = load_settings(arguments, {})
    refuse_settings(engine, settings)
    environment = {**ALONE, **{name.upper(): value for name, value in arguments.items()}}
    return Deployment(
        engine,
        target,
        name,
        settings,
        environment,
        _gpus(engine, settings, gpus),
        start_seconds or container.start_seconds(settings),
        open_to_all,
    )


def deployment_name(backend: str, name: str | None) -> str:
    """Returns the name of its service, `name` or the default. Raises StartError."""
    if backend not in backends():
        raise StartError(f"no backend {backend!r}; there are: {', '.join(backends())}")
    name = name or f"llm-{backend.replace('_', '-')}"
    if not NAME.fullmatch(name):
        raise StartError(
            f"--name {name!r} cannot name a service; allowed are up to 53 of a-z, 0-9 and -, a "
            "letter first"
        )
    return name


def refuse_settings(engine: type[Engine], settings: Settings) -> None:
    """Raises StartError for settings that would not run or must not stand in a file."""
    engine.check_supported(settings)
    refuse_secrets(settings)
    command = container.build_command(engine, settings)
    if command is not None:
        raise StartError(
            f"{engine.title} runs what was compiled for its GPU: {command}, there, and "
            "--arg engine_dir= where it lies in the image or on the machine"
        )
    for name, tag in stored_models(settings).items():
        stored_directory(name, tag)


def stored_models(settings: Settings) -> dict[str, str]:
    """Returns the store tags among the settings: models that lie in an image, baked in."""
    values = {name: getattr(settings, name) for name in ("model", "engine_dir")}
    values["speculative"] = settings.speculative and settings.speculative.model
    values |= {f"adapters.{name}": path for name, path in settings.adapters.items()}
    return {name: value for name, value in values.items() if is_tag(value)}


def environment_folder(backend: str) -> str:
    """Returns the folder where scripts/setup puts what the backend needs."""
    locked = (ROOT / "scripts" / "locks" / f"{backend}.txt").exists()
    return f".venv-{backend}" if locked or extra_is_met.main(backend) else ".venv"


def _gpus(engine: type[Engine], settings: Settings, given: int | None) -> int:
    needed = settings.gpus
    if given is None:
        return needed if engine.loads_weights and settings.engine_url is None else 0
    if given < needed and (given or needed > 1):
        raise StartError(
            f"--gpus {given} is less than the {needed} of tensor_parallel_size x "
            f"pipeline_parallel_size x data_parallel_size; set --gpus {needed}, or smaller sizes"
        )
    return given
