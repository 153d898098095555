"""What only BentoCloud knows: who is logged in, its secrets and its instance types."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from bentoml._internal.cloud.client import RestApiClient
from bentoml._internal.cloud.config import CloudClientConfig
from bentoml.exceptions import CloudRESTApiClientError, NotFound

from build_scripts.deploy.document import Document
from build_scripts.deploy.errors import DeployError

LOGIN = (
    "set BENTO_CLOUD_API_KEY (and BENTO_CLOUD_API_ENDPOINT for another address than "
    "https://cloud.bentoml.com), or run `bentoml cloud login`"
)
UNAUTHORIZED = (401, 403)
NOT_FOUND = (400, 404)
"""BentoCloud has answered either for what it does not have (BentoML's client: _is_not_found)."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Cloud:
    """A login that BentoCloud has accepted, of the user with this e-mail address."""

    client: Any
    user: str

    @property
    def address(self) -> str:
        return str(self.client.endpoint)

    def secret_keys(self, document: Document) -> set[str]:
        """The variables in the secrets that a file names. Raises DeployError."""
        keys: set[str] = set()
        for number, name in enumerate(document.get("secrets") or []):
            with _answers(self.address):
                found = _if_found(self.client.v1.get_secret, name, document.get("cluster"))
            if found is None:
                raise document.error(
                    ("secrets", number),
                    f"secrets: BentoCloud has no secret {name!r}; "
                    f"`bentoml secret create {name} NAME=…` makes it, "
                    "--set 'secrets=[]' does without",
                )
            if found.content.type == "env":
                keys.update(item.key for item in found.content.items)
        return keys

    def check_name(self, document: Document) -> None:
        """Raises DeployError where a deployment has it: the client would tell after the upload."""
        name = document.get("name")
        if name is None:
            return
        with _answers(self.address):
            found = _if_found(self.client.v2.get_deployment, name, document.get("cluster"))
        if found is not None:
            raise document.error(
                ("name",),
                f"name: there is a deployment {name!r} already: give another with --name, or "
                f"change it: `bentoml deployment update {name} --bento TAG`",
            )

    def check_instance(self, document: Document, service: str) -> None:
        """Raises DeployError for an instance type that this organization does not have."""
        wanted = document.get("services", service, "instance_type")
        with _answers(self.address):
            offered = self.client.v2.list_instance_types(document.get("cluster"))
        names = sorted({name for one in offered for name in (one.name, one.display_name)})
        if wanted in names:
            return
        near = difflib.get_close_matches(wanted, names, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise document.error(
            ("services", service, "instance_type"),
            f"instance_type: BentoCloud has no {wanted!r} for you{hint}; "
            f"it has {', '.join(names) or 'none at all'}",
        )


def log_in() -> Cloud:
    """With the login that BentoML's own commands use. Raises DeployError."""
    try:
        context = CloudClientConfig.get_config().get_context()
    except CloudRESTApiClientError:
        raise DeployError(f"there is no BentoCloud login: {LOGIN}") from None
    client = RestApiClient(context.endpoint, context.api_token)
    with _answers(context.endpoint):
        user = client.v1.get_current_user()
    if user is None:
        raise DeployError(f"{context.endpoint} is no BentoCloud: {LOGIN}")
    return Cloud(client, str(user.email))


def _if_found(ask: Callable[..., Answer], *arguments: Any) -> Answer | None:
    try:
        return ask(*arguments)
    except NotFound:
        return None
    except CloudRESTApiClientError as error:
        if error.error_code in NOT_FOUND:
            return None
        raise


@contextmanager
def _answers(address: str) -> Iterator[None]:
    """Everything that can go wrong with a question becomes one line."""
    try:
        yield
    except CloudRESTApiClientError as error:
        if error.error_code in UNAUTHORIZED:
            raise DeployError(
                f"{address} does not accept the login ({int(error.error_code)}): {LOGIN}"
            ) from None
        raise DeployError(f"{address}: {error}") from None
    except httpx.HTTPError as error:
        raise DeployError(f"{address} cannot be reached: {error or type(error).__name__}") from None
    except (ValueError, KeyError, TypeError, ExceptionGroup):
        # Not JSON, or not what the client's classes read.
        raise DeployError(f"{address} does not answer as BentoCloud does: {LOGIN}") from None
