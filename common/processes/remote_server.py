"""A server that runs elsewhere: it may go and come back, and is only probed."""

import logging
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from common.engine import Health
from common.errors import EngineLost, ServiceError, StartError
from common.processes.probe import Ready, ServerProbe
from common.settings import Settings

logger = logging.getLogger("bentoml.llm.supervision")

REACH_TIMEOUT = 10.0
GIVEN_AT_START = (
    "adapters",
    "chunked_prefill",
    "data_parallel_size",
    "dtype",
    "engine_args",
    "engine_dir",
    "expert_parallel",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "kv_cache_gib",
    "kv_offload",
    "pipeline_parallel_size",
    "prefix_caching",
    "quantization",
    "seed",
    "speculative",
    "start_timeout",
    "tensor_parallel_size",
    "trust_remote_code",
)
"""Settings that only a server which the service starts can be given."""
USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)?[^/?#]*@", re.IGNORECASE)


def check_running(settings: Settings, taken: Collection[str] = ()) -> None:
    """Raises StartError for a setting that a server which runs already does not take; `taken` are
    those that the adapter itself heeds."""
    for name in GIVEN_AT_START:
        if name in settings.changed and name not in taken:
            raise StartError(
                f"setting {name!r} has no effect with 'engine_url': it is for a server that the "
                "service starts"
            )


class RemoteServer:
    """The server at `url`, which others start and stop.

    `ready` returns whether it answers; it must not raise for broken connections. `command` starts
    such a server: the message for an address where none answers names it.
    """

    def __init__(self, name: str, url: str, ready: Ready, *, command: str = "") -> None:
        self.name = name
        self.address = without_userinfo(url)
        """For the terminal and the log; never told to a client."""
        self._command = command
        self._probe = ServerProbe(ready)

    async def start(self) -> None:
        """Raises StartError when nothing answers at the address."""
        if not await self._probe.now(REACH_TIMEOUT):
            start = f"start one there ({self._command})" if self._command else "start it"
            raise StartError(
                f"setting 'engine_url': no {self.name} answers at {self.address!r}; {start}, give "
                "its address, or leave the setting out to have one started"
            )

    async def stop(self) -> None:
        """Ends the probes; the server is not ours to stop."""
        await self._probe.stop()

    async def health(self) -> Health:
        """Returns whether the server answered the last probe."""
        if await self._probe.last_answer():
            return Health(True)
        return Health(True, f"{self.name} does not answer", ready=False)

    def check(self) -> None:
        """Never raises: a request is the best probe and is always tried."""

    async def failure(self, what: str) -> ServiceError:
        """Returns the error of a request that broke off because of `what`."""
        logger.error("%s at %s broke a request off: %s", self.name, self.address, what)
        self._probe.forget()
        return EngineLost(f"{self.name} broke off this request; send it again")


def is_http_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def without_userinfo(url: str) -> str:
    """Returns `url` without the user name and password in it."""
    return USERINFO.sub(r"\1", url)
