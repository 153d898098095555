"""What is to run, checked: the one source of all three kinds of files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build_scripts.bentos.container import build_command, start_seconds, stop_seconds
from common.engine import Engine
from common.errors import StartError
from common.models.store_tags import is_tag, stored_directory
from common.secrets import refuse_secrets
from common.settings import Settings, load_settings
from scripts import extra_is_met
from services.__main__ import backends, load

ROOT = Path(__file__).parents[2]
PORT = 3000
USER = 1034
"""The user and group that BentoML makes in an image."""
CACHE = "/home/bentoml/.cache"
"""Where an image keeps weights and compiled kernels."""
SECRETS = {"HF_TOKEN": "for models that are not open to all", "API_KEYS": "comma-separated"}
LEAVE_BALANCERS = 5
"""Seconds in which those who send requests learn that this replica is going."""
SECRET_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
NAME = re.compile(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?")


@dataclass(frozen=True)
class Deployment:
    """Sizes are in GiB, times in seconds. `target` is what `bentoml serve` is given."""

    backend: str
    engine: type[Engine]
    target: str
    name: str
    image: str
    settings: Settings
    environment: Mapping[str, str]
    gpus: int
    replicas: int = 1
    max_replicas: int = 1
    waiting: int = 4
    cpus: int = 4
    memory: int = 16
    shm: int = 8
    cache: int = 100
    shared_cache: bool = False
    secret: str = ""
    open: bool = False
    start_seconds: int = 1800
    directory: str = "/opt/llm-services"
    python_environment: str = ".venv"

    @property
    def drain_seconds(self) -> int:
        return stop_seconds(self.settings)

    @property
    def tags(self) -> list[str]:
        """Of models in a store: in the image, where they were baked in."""
        values = (self.settings.model, self.settings.engine_dir)
        return [value for value in values if value is not None and is_tag(value)]

    @property
    def scales(self) -> bool:
        return self.max_replicas > self.replicas


def checked(backend: str, arguments: Mapping[str, str], **options: object) -> Deployment:
    """With a default for every option that is None. Raises StartError, one line."""
    if backend not in backends():
        raise StartError(f"no backend {backend!r}; there are: {', '.join(backends())}")
    for name in arguments:
        if name.upper() in SECRETS:
            raise StartError(f"{name} is a secret; it comes from outside, see docs/operations.md")
    target, engine = load(backend)
    settings = load_settings(arguments, {})
    _refuse(engine, settings)
    given = {name: value for name, value in options.items() if value is not None}
    name = str(given.get("name") or f"llm-{backend.replace('_', '-')}")
    local = engine.loads_weights and settings.engine_url is None
    defaults: dict[str, object] = {
        "name": name,
        "image": f"{name}:latest",
        "gpus": settings.tensor_parallel_size if local else 0,
        "max_replicas": given.get("replicas", 1),
        "secret": name,
        "start_seconds": start_seconds(settings),
        "python_environment": environment_of(backend),
    }
    environment = {key.upper(): value for key, value in arguments.items()}
    values = {**defaults, **given}
    deployment = Deployment(
        backend,
        engine,
        target,
        settings=settings,
        environment=environment,
        **values,  # type: ignore[arg-type]
    )
    _check(deployment)
    return deployment


def _refuse(engine: type[Engine], settings: Settings) -> None:
    """What no kind of file could run. Raises StartError."""
    engine.check_supported(settings)
    refuse_secrets(settings)
    if not settings.metrics_public:
        raise StartError(
            "setting 'metrics_public': these files scrape /metrics without a key; keep it inside "
            "the cluster by a NetworkPolicy instead"
        )
    command = build_command(engine, settings)
    if command is not None:
        raise StartError(
            f"{engine.title} runs what was compiled for its GPU: {command}, there, and "
            "--arg engine_dir= where it lies in the image or on the machine"
        )
    for name in ("model", "engine_dir"):
        value = getattr(settings, name)
        if is_tag(value):
            stored_directory(name, value)


def environment_of(backend: str) -> str:
    """Where scripts/setup puts what the backend needs: one of its own only if it has to."""
    locked = (ROOT / "scripts" / "locks" / f"{backend}.txt").exists()
    return f".venv-{backend}" if locked or extra_is_met.main(backend) else ".venv"


def _check(wanted: Deployment) -> None:
    """Raises StartError for what would be accepted and then not run."""
    if not NAME.fullmatch(wanted.name):
        raise StartError(
            f"--name {wanted.name!r} cannot name a service; allowed are up to 53 of a-z, 0-9 and "
            "-, a letter first"
        )
    if not wanted.image:
        raise StartError("--image '' names no image")
    if not SECRET_NAME.fullmatch(wanted.secret):
        raise StartError(
            f"--secret {wanted.secret!r} cannot name a Secret; allowed are a-z, 0-9, -"
        )
    shards = wanted.settings.tensor_parallel_size
    if wanted.gpus < shards and (wanted.gpus or shards > 1):
        raise StartError(
            f"--gpus {wanted.gpus} is less than tensor_parallel_size {shards}; "
            f"set --gpus {shards}, or --arg tensor_parallel_size={wanted.gpus}"
        )
    if wanted.replicas > wanted.max_replicas:
        raise StartError(
            f"--replicas {wanted.replicas} is more than --max-replicas {wanted.max_replicas}"
        )
    if wanted.max_replicas > 1 and wanted.cache and not wanted.shared_cache:
        raise StartError(
            f"{wanted.max_replicas} replicas cannot mount a cache that belongs to one node: add "
            "--shared-cache where the cluster has ReadWriteMany volumes, else --cache 0"
        )
