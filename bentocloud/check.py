"""Checks that a deployment, its settings and its instance agree, before anything is built."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bentocloud.config import Config, DeployError, check_keys
from bentocloud.fit import fit
from build_scripts.bentos.table import Bento
from common.engine import Engine
from common.models.store_tags import is_tag
from common.secrets import is_secret, refuse_secrets
from common.settings import Settings, load_settings, misspelt


def check(
    config: Config, target: Bento, arguments: Mapping[str, Any], *, judge_fit: bool = True
) -> str | None:
    """Returns the plan in a sentence, where there is one; `arguments` are baked into the bento.

    Raises DeployError or StartError, one line, for the first thing that is wrong.
    """
    check_keys(config)
    if "access_authorization" not in config:
        raise DeployError(
            "has no 'access_authorization': without it everybody may call the service; say true"
        )
    service = _service(config, target.service)
    settings = _settings(variables(config, target.service), target.engine, arguments)
    _check_concurrency(service, settings)
    _check_travels(settings, arguments)
    return fit(target, settings, service["instance_type"]) if judge_fit else None


def variables(config: Config, service: str) -> dict[str, str]:
    """Returns the environment of a service, without that of its secrets."""
    items = [*(config.get("envs") or ()), *(config["services"][service].get("envs") or ())]
    return {item["name"]: item["value"] for item in items if item}


def _service(config: Config, name: str) -> dict[str, Any]:
    services: dict[str, dict[str, Any]] = config.get("services") or {}
    for other in services:
        if other != name:
            raise DeployError(f"services: the bento has no service {other!r}, but {name!r}")
    if not services.get(name, {}).get("instance_type"):
        raise DeployError(
            f"services.{name} has no 'instance_type': BentoCloud would choose one by itself"
        )
    _check_replicas(services[name].get("scaling") or {}, f"services.{name}.scaling")
    return services[name]


def _check_replicas(scaling: Mapping[str, Any], where: str) -> None:
    least, most = scaling.get("min_replicas") or 0, scaling.get("max_replicas")
    if most == 0:
        raise DeployError(f"{where}.max_replicas: 0 would serve nobody")
    if most is not None and least > most:
        raise DeployError(f"{where}.min_replicas: {least} is more than max_replicas, {most}")


def _settings(
    environment: Mapping[str, str], engine: type[Engine], arguments: Mapping[str, Any]
) -> Settings:
    """Returns the settings that the service will have there."""
    for name, value in environment.items():
        if value and (is_secret(name) or name.endswith("_HEADERS")):
            raise DeployError(
                f"envs: {name} is a secret and would lie here in clear: "
                f"`bentoml secret create NAME {name}=…`, and NAME under 'secrets'"
            )
    for warning in misspelt(environment):
        raise DeployError(f"envs: {warning}")
    refuse_secrets(load_settings({}, environment))
    settings = load_settings(arguments, environment)
    if settings.engine_url is None:
        engine.check_supported(settings)
    return settings


def _check_concurrency(service: Mapping[str, Any], settings: Settings) -> None:
    """Raises DeployError: with fewer a GPU idles, with more requests wait in two places."""
    traffic = (service.get("config_overrides") or {}).get("traffic") or {}
    concurrency, limit = traffic.get("concurrency"), settings.max_concurrency
    if concurrency != limit:
        raise DeployError(
            f"traffic.concurrency is {concurrency}, and the setting max_concurrency is {limit}: "
            f"--set config_overrides.traffic.concurrency={limit}"
        )


def _check_travels(settings: Settings, arguments: Mapping[str, Any]) -> None:
    """Raises DeployError for a model of this machine that is not baked in."""
    draft = None if settings.speculative is None else settings.speculative.model
    paths = {"model": settings.model, "engine_dir": settings.engine_dir, "speculative": draft}
    for name, value in paths.items():
        if value is None or str(getattr(settings, name)) == arguments.get(name):
            continue
        _check_path(name, value)
    given = arguments.get("adapters")
    for path in settings.adapters.values() if given is None else ():
        _check_path("adapters", path)


def _check_path(name: str, value: str) -> None:
    """Raises DeployError for one of this machine."""
    if is_tag(value) or Path(value).expanduser().exists():
        raise DeployError(
            f"setting {name!r}: {value!r} is on this machine, and not in the bento; "
            f"--arg {name}=TAG takes along what lies in the BentoML store"
        )
