"""`--set key=value`: a change to a deployment file for one run."""

from typing import Any

import yaml

from build_scripts.deploy.document import Document
from build_scripts.deploy.errors import DeployError
from build_scripts.deploy.schema import service_keys, top_keys, unknown


def override(document: Document, service: str, text: str) -> None:
    """A key of the file, or else of `service`: `scaling.max_replicas=3`. Raises DeployError."""
    key, equals, written = text.partition("=")
    # Without the value, which may be a secret.
    origin = f"--set {key}"
    place = tuple(key.split("."))
    if not equals or not all(place):
        raise DeployError(f"{origin}: has to be key=value")
    if place[0] in service_keys() and place[0] not in top_keys():
        place = ("services", service, *place)
    elif place[0] not in top_keys():
        raise DeployError(f"{origin}: {unknown(place[0], [*top_keys(), *service_keys()])}")
    document.put(place, _value(written, origin), origin)


def _value(written: str, origin: str) -> Any:
    try:
        return yaml.safe_load(written)
    except yaml.YAMLError as error:
        reason = getattr(error, "problem", None) or "cannot be read"
        raise DeployError(f"{origin}: is no YAML: {reason}") from None
