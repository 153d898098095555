"""A client of this service's own API, in the same process, for the lines of batches."""

import httpx

from common.http.exchange import BATCH_OWNER, ASGIApp, Receive, Scope, Send


def own_client(app: ASGIApp, owner: str | None) -> httpx.AsyncClient:
    """Returns a client whose requests count for `owner`, and wait while others do."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, BATCH_OWNER: owner}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(call), base_url="http://batch")
