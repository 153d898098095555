"""What a deployment file has to keep beyond keys and types."""

import difflib
import re
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from bentoml._internal.cloud.schemas.modelschemas import DeploymentStrategy

from build_scripts.deploy.document import Document, Place
from build_scripts.deploy.schema import unknown
from common.errors import StartError
from common.secrets import is_secret, refuse_secrets
from common.settings import Settings, load_settings

STRATEGIES = tuple(strategy.value for strategy in DeploymentStrategy)
BEHAVIORS = ("disabled", "stable", "fast")
"""docs.bentoml.com, "Concurrency and autoscaling", "Autoscaling policies"."""
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""Of a deployment and of a secret: each becomes a name in Kubernetes (RFC 1123)."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECRET_VARIABLES = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} | {
    name.upper() for name, field in Settings.model_fields.items() if not field.repr
}


class Variable(NamedTuple):
    """An environment variable of a deployment file, and where it stands."""

    name: str
    value: str
    place: Place


def check_rules(document: Document, service: str) -> None:
    """Raises DeployError for the first rule that is broken; `service` is the bento's."""
    if "access_authorization" not in document.data:
        raise document.error(
            (), "has no 'access_authorization': without it everybody may call the service; say true"
        )
    name = document.get("name")
    if name is not None and not NAME.fullmatch(name):
        raise document.error(
            ("name",), f"name: {name!r} has to be up to 63 of a-z, 0-9 and '-', no '-' at its ends"
        )
    _check_secrets(document)
    _check_services(document, service)
    _check_canary(document, service)
    for variable in variables(document, service):
        _check_variable(document, variable)
    _check_numbers(document, document.data, ())


def variables(document: Document, service: str) -> Iterator[Variable]:
    """The environment of a service; what comes later wins."""
    for place in (("envs",), ("services", service, "envs")):
        for number, item in enumerate(document.get(*place) or []):
            inner = (*place, number)
            if item is None:
                raise document.error(inner, "an item of 'envs' is empty: it needs name and value")
            yield Variable(item["name"], item["value"], inner)


def _check_secrets(document: Document) -> None:
    seen: set[str] = set()
    for number, name in enumerate(document.get("secrets") or []):
        if not NAME.fullmatch(name):
            raise document.error(
                ("secrets", number),
                f"secrets: {name!r} is no name of a secret; `bentoml secret list` shows yours",
            )
        if name in seen:
            raise document.error(("secrets", number), f"secrets: {name!r} stands there twice")
        seen.add(name)


def _check_services(document: Document, service: str) -> None:
    services = document.get("services") or {}
    for name in services:
        if name != service:
            raise document.error(
                ("services", name), f"services: the bento has no service {name!r}, but {service!r}"
            )
    if service not in services:
        raise document.error((), f"has no services.{service}: nothing says where it is to run")
    _check_service(document, ("services", service), services[service])


def _check_canary(document: Document, service: str) -> None:
    for version, content in (document.get("canary", "versions") or {}).items():
        for name, config in (content.get("services") or {}).items():
            place: Place = ("canary", "versions", version, "services", name)
            if name != service:
                raise document.error(place, unknown(name, [service]))
            _check_service(document, place, config)


def _check_service(document: Document, place: Place, config: dict[str, Any]) -> None:
    strategy = config.get("deployment_strategy")
    _check_choice(document, (*place, "deployment_strategy"), strategy, STRATEGIES)
    if not config.get("instance_type"):
        raise document.error(place, "has no 'instance_type': BentoCloud would choose one by itself")
    scaling = config.get("scaling") or {}
    policy = scaling.get("policy") or {}
    for key in ("scale_up_behavior", "scale_down_behavior"):
        _check_choice(document, (*place, "scaling", "policy", key), policy.get(key), BEHAVIORS)
    low, high = scaling.get("min_replicas"), scaling.get("max_replicas")
    if high == 0:
        raise document.error(
            (*place, "scaling", "max_replicas"), "max_replicas: 0 would serve nobody; at least 1"
        )
    if low is not None and high is not None and low > high:
        raise document.error(
            (*place, "scaling", "min_replicas"),
            f"min_replicas: {low} is more than max_replicas, {high}",
        )
    if config.get("cold_start_timeout") == 0:
        raise document.error(
            (*place, "cold_start_timeout"), "cold_start_timeout: 0 seconds start nothing"
        )


def _check_choice(
    document: Document, place: Place, value: str | None, allowed: Collection[str]
) -> None:
    if value is None or value in allowed:
        return
    near = difflib.get_close_matches(value, allowed, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise document.error(
        place, f"{place[-1]}: unknown {value!r}{hint}; allowed are {', '.join(allowed)}"
    )


def _check_variable(document: Document, variable: Variable) -> None:
    name, value, place = variable
    if not VARIABLE.fullmatch(name):
        raise document.error((*place, "name"), f"envs: {name!r} is no name of a variable")
    if value and (name in SECRET_VARIABLES or is_secret(name) or name.endswith("_HEADERS")):
        raise document.error(
            place,
            f"envs: {name} is a secret and would lie here in clear: "
            f"`bentoml secret create NAME {name}=…`, and NAME under 'secrets'",
        )
    try:
        settings = load_settings({}, {name: value})
    except StartError:
        return  # told with what is allowed when the settings are read
    try:
        refuse_secrets(settings)
    except StartError as error:
        raise document.error(place, f"envs: {error}") from None
    for number, other in enumerate(document.get(*map(str, place[:-1])) or []):
        if number != place[-1] and other and other["name"] == name:
            raise document.error(place, f"envs: {name} stands there twice")


def _check_numbers(document: Document, value: Any, place: Place) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_numbers(document, inner, (*place, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_numbers(document, item, (*place, number))
    elif isinstance(value, int | float) and value < 0:
        raise document.error(place, f"{place[-1]}: {value} is negative; at least 0 is allowed")
