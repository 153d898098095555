"""The settings that a service will have there, and what has to agree with them."""

from collections.abc import Collection, Mapping
from typing import Any

from build_scripts.bentos.table import bento
from build_scripts.deploy.document import Document
from build_scripts.deploy.errors import DeployError
from build_scripts.deploy.instances import Instance
from build_scripts.deploy.rules import SECRET_VARIABLES, Variable, variables
from build_scripts.deploy.target import Target
from common.errors import StartError
from common.service.bento_service import NO_LIMIT
from common.settings import Settings, load_settings, misspelt

TRAFFIC = ("config_overrides", "traffic")


def baked_settings(arguments: Mapping[str, Any]) -> Settings:
    """What `--arg` says, or a bento holds. Raises DeployError."""
    for name in arguments:
        if name.upper() in SECRET_VARIABLES:
            raise DeployError(
                f"--arg {name}: a bento would hold this secret in clear: "
                f"`bentoml secret create NAME {name.upper()}=…`, and --set 'secrets=[NAME]'"
            )
    try:
        return load_settings(arguments, {})
    except StartError as error:
        raise DeployError(f"--arg: {error}") from None


def effective_settings(
    document: Document, target: Target, arguments: Mapping[str, Any]
) -> Settings:
    """The arguments, under the variables of the file. Raises DeployError."""
    baked_settings(arguments)
    found = {one.name: one for one in variables(document, target.service)}
    for one in found.values():
        _check_setting(document, one)
    settings = load_settings(arguments, {one.name: one.value for one in found.values()})
    for name, reason in target.engine.unsupported_settings.items():
        if name in settings.changed:
            message = f"setting {name!r} has no effect with {target.engine.title}: {reason}"
            if variable := found.get(name.upper()):
                raise document.error(variable.place, f"envs: {message}")
            raise DeployError(f"--arg: {message}")
    return settings


def _check_setting(document: Document, variable: Variable) -> None:
    environment = {variable.name: variable.value}
    for warning in misspelt(environment):
        raise document.error(variable.place, f"envs: {warning}")
    try:
        load_settings({}, environment)
    except StartError as error:
        raise document.error(variable.place, f"envs: {error}") from None


def check_settings(document: Document, service: str, settings: Settings) -> None:
    """BentoCloud gives a replica as many requests as its engine takes, and keeps the rest.

    Raises DeployError.
    """
    place = ("services", service, *TRAFFIC)
    traffic = document.get(*place) or {}
    _check_overrides(document, service, traffic)
    concurrency, limit = traffic.get("concurrency"), settings.max_concurrency
    mend = f"--set config_overrides.traffic.concurrency={limit}"
    if concurrency is None:
        raise document.error(
            place, f"traffic has no 'concurrency': it has to be max_concurrency, {limit} ({mend})"
        )
    if concurrency != limit:
        raise document.error(
            (*place, "concurrency"),
            f"concurrency: {concurrency} is not max_concurrency, which is {limit}; {mend}, "
            f"or --arg max_concurrency={concurrency}",
        )
    if traffic.get("external_queue") is None:
        raise document.error(
            place,
            "traffic has no 'external_queue': true keeps what is over 'concurrency', or false",
        )


def _check_overrides(document: Document, service: str, traffic: Mapping[str, Any]) -> None:
    """BentoML's own limits would answer in another way than the service does."""
    place = ("services", service, "config_overrides")
    workers = document.get(*place, "workers")
    if workers not in (None, 1):
        raise document.error(
            (*place, "workers"), f"workers: {workers} would be as many engines on one GPU; only 1"
        )
    if traffic.get("max_concurrency") is not None:
        raise document.error(
            (*place, "traffic", "max_concurrency"),
            "max_concurrency: BentoML's own 429 would come before ours; use max_queue under 'envs'",
        )
    if traffic.get("timeout") not in (None, NO_LIMIT):
        raise document.error(
            (*place, "traffic", "timeout"),
            f"timeout: has to be {NO_LIMIT}; queue_timeout and first_token_timeout are settings",
        )


def check_instance(
    document: Document, target: Target, settings: Settings, instance: Instance
) -> None:
    """Raises DeployError where the instance has fewer GPUs than the model is split over, or none
    for packages that are built for them."""
    service, wanted = target.service, settings.tensor_parallel_size
    packaging = bento(target.backend).packaging
    needs_gpu = packaging.gpu and not packaging.without_gpu and settings.engine_url is None
    if instance.gpus == 0 and needs_gpu:
        raise document.error(
            ("services", service, "instance_type"),
            f"instance_type: {instance.name!r} has no GPU, and {target.bento} is built for one",
        )
    if instance.gpus is not None and wanted > max(instance.gpus, 1):
        raise document.error(
            ("services", service, "instance_type"),
            f"instance_type: {instance.name!r} has {instance.gpus or 'no'} "
            f"GPU{'s' if instance.gpus != 1 else ''}, and tensor_parallel_size is {wanted}",
        )


def check_needs(
    document: Document, service: str, needs: Collection[str], in_secrets: Collection[str] | None
) -> None:
    """Every variable that the bento asks for has a value; `in_secrets` are the keys of the named
    secrets, None where they are not known. Raises DeployError."""
    given = {one.name for one in variables(document, service) if one.value}
    missing = [name for name in needs if name not in given and name not in (in_secrets or ())]
    if not missing or (in_secrets is None and document.get("secrets")):
        return
    raise document.error(
        ("envs",),
        f"the bento needs {', '.join(missing)}: give a name and a value under 'envs', "
        "or a secret that has it",
    )
