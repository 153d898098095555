"""python schemas.py FILE ...: check files against published schemas; in the environment `schemas`.

Kubernetes' own schemas, the Prometheus operator's and Grafana's models, the Compose specification:
each from a package. Prints one line for each fault.
"""

import json
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

RELEASES = ("1.33.0", "1.37.0")
"""The oldest and the newest that the package knows and that have all we use."""


def faults(file: Path) -> Iterator[str]:
    text = file.read_text("utf-8")
    if file.suffix == ".json":
        yield from grafana(json.loads(text))
        return
    value = yaml.safe_load(text)
    if "services" in value:
        yield from compose(value)
    elif value["apiVersion"].startswith("monitoring.coreos.com/"):
        yield from operator(value)
    elif value["apiVersion"].startswith("keda.sh/"):
        yield from keda(value)
    else:
        yield from kubernetes(value)


def kubernetes(value: dict[str, Any]) -> Iterator[str]:
    """Strict: a field that the schema does not have is a fault."""
    import kubernetes_validate

    for release in RELEASES:
        try:
            kubernetes_validate.validate(value, release, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {release}: {error.message}"


def operator(value: dict[str, Any]) -> Iterator[str]:
    from cloudcoil.models.prometheus_operator import v1

    yield from by_model(value, getattr(v1, value["kind"]))


def keda(value: dict[str, Any]) -> Iterator[str]:
    from cloudcoil.models.keda import v1alpha1

    yield from by_model(value, getattr(v1alpha1, value["kind"]))


def by_model(value: dict[str, Any], kind: Any) -> Iterator[str]:
    """Models drop what they do not know: what is left has to be all there was."""
    from pydantic import ValidationError

    try:
        model = kind.model_validate(value)
    except ValidationError as error:
        yield f"{value['kind']}: {error.errors()[0]}"
        return
    kept = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
    yield from differences(value, kept, value["kind"])


def compose(value: dict[str, Any]) -> Iterator[str]:
    import jsonschema  # type: ignore[import-untyped]

    folder = resources.files("check_jsonschema.builtin_schemas.vendor")
    schema = json.loads(folder.joinpath("compose-spec.json").read_text("utf-8"))
    dialect = jsonschema.validators.validator_for(schema)
    for error in dialect(schema).iter_errors(value):
        yield f"compose: {error.json_path}: {error.message}"


def grafana(value: dict[str, Any]) -> Iterator[str]:
    """Like the operator's models."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(value)))
    yield from differences(value, kept, "dashboard")


def differences(given: Any, kept: Any, where: str) -> Iterator[str]:
    """What of `given` is not in `kept`, which may have more."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if name in kept:
                yield from differences(value, kept[name], f"{where}.{name}")
            else:
                yield f"{where} has no field {name!r}"
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for place, pair in enumerate(zip(given, kept, strict=True)):
            yield from differences(*pair, f"{where}[{place}]")
    elif given != kept:
        yield f"{where}: {given!r} was read as {kept!r}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for fault in faults(Path(name)):
            print(f"{name}: {fault}")
