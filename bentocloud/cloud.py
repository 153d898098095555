"""Asks BentoCloud by BentoML's own client; whatever goes wrong there is told in one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import bentoml
import httpx
from bentoml.cloud import BentoCloudClient
from bentoml.exceptions import BentoMLException, CloudRESTApiClientError, NotFound

from bentocloud.check import variables
from bentocloud.config import Config, DeployError

LOGIN = (
    "set BENTO_CLOUD_API_KEY (and BENTO_CLOUD_API_ENDPOINT for another address than "
    "https://cloud.bentoml.com), or run `bentoml cloud login`"
)
NOT_FOUND = (400, 404)
"""BentoCloud has answered either for what it does not have (BentoML's client: _is_not_found)."""
BLAMES_THE_FILE = "Failed to create deployment due to invalid configuration: "
"""BentoML's words before everything that goes wrong, an upload too."""
Answer = TypeVar("Answer")


def check_account(config: Config, service: str) -> str:
    """Returns the e-mail address of the user who is logged in.

    Raises DeployError where BentoCloud takes no login, where the name is taken, or where it has
    no secret or instance type of that name: BentoML's client would tell after the upload.
    """
    try:
        client = BentoCloudClient()
    except CloudRESTApiClientError:
        raise DeployError(f"there is no BentoCloud login: {LOGIN}") from None
    address, cluster, name = client.client.endpoint, config.get("cluster"), config.get("name")
    with _one_line(address):
        user = _current_user(client, address)
        if name and _find(client.deployment.get, name, cluster):
            raise DeployError(
                f"there is a deployment {name!r} already: give another with --name, or "
                f"change it: `bentoml deployment update {name} --bento TAG`"
            )
        for secret in config.get("secrets") or []:
            if _find(client.secret.get, secret, cluster) is None:
                raise DeployError(
                    f"BentoCloud has no secret {secret!r}; `bentoml secret create {secret} NAME=…` "
                    "makes it, --set 'secrets=[]' does without"
                )
        types = client.client.v2.list_instance_types(cluster)
    instance = config["services"][service]["instance_type"]
    names = sorted({name for each in types for name in (each.name, each.display_name)})
    if instance not in names:
        raise DeployError(
            f"instance_type: BentoCloud has no {instance!r} for you; it has {', '.join(names)}"
        )
    return user


def create(config: Config, service: str, tag: str) -> Any:
    """Uploads the bento and returns its bentoml Deployment. Raises DeployError."""
    with _one_line("BentoCloud"):
        return bentoml.deployment.create(
            config_dict={**config, "bento": tag},
            # BentoML looks for what a bento needs here only, and sends what stands in the file.
            cluster=config.get("cluster"),
            envs=[{"name": name} for name, value in variables(config, service).items() if value],
            secrets=config.get("secrets"),
        )


def wait_until_ready(deployment: Any, timeout: float) -> None:
    """Returns when the deployment runs. Raises DeployError, also for a connection that breaks."""
    known = f"`bentoml deployment get {deployment.name}` tells more, `… delete …` ends it"
    try:
        with _one_line("BentoCloud"):
            status = deployment.wait_until_ready(timeout=timeout)
    except DeployError as error:
        raise DeployError(f"whether it runs is unknown: {error}; {known}") from None
    if status != 0:
        raise DeployError(f"it does not run: {known}")


def _current_user(client: BentoCloudClient, address: str) -> str:
    try:
        return str(client.client.v1.get_current_user().email)
    except (AttributeError, ValueError, KeyError, TypeError, ExceptionGroup):
        # Not JSON, or not what the client's classes read.
        raise DeployError(f"{address} does not answer as BentoCloud does: {LOGIN}") from None


def _find(ask: Callable[..., Answer], *arguments: Any) -> Answer | None:
    try:
        return ask(*arguments)
    except NotFound:
        return None
    except CloudRESTApiClientError as error:
        if error.error_code in NOT_FOUND:
            return None
        raise


@contextmanager
def _one_line(address: str) -> Iterator[None]:
    """Raises DeployError for whatever BentoML's client raises."""
    try:
        yield
    except CloudRESTApiClientError as error:
        if error.error_code == HTTPStatus.UNAUTHORIZED:
            raise DeployError(f"{address} does not accept the login (401): {LOGIN}") from None
        raise DeployError(" ".join(str(error).split())) from None
    except BentoMLException as error:
        raise DeployError(" ".join(str(error).removeprefix(BLAMES_THE_FILE).split())) from None
    except httpx.HTTPError as error:
        raise DeployError(f"{address} cannot be reached: {error or type(error).__name__}") from None
