"""Images by URL: from allowed hosts at public addresses only, within limits of size and time."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from common.errors import InvalidValue, UnsupportedParameter
from common.images.source import FORMATS, ImageFile, ImageSource, too_large

SECONDS = 10.0
"""For all images of a request together."""
MAX_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
PIECE = 65536
ANY_HOST = "*"
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The only IPv6 addresses that hosts on the Internet have (RFC 4291); those that hold an IPv4
address inside, but for two kinds, lie outside."""
PROTOCOLS = IPv4Network("192.0.0.0/24")
"""IETF Protocol Assignments, in IANA's registry of special addresses: to Python they are public in
part before 3.12.4."""
ACCEPT = {"Accept": ", ".join(FORMATS), "Accept-Encoding": "identity"}


def is_public(address: str) -> bool:
    """Returns whether an IP address is one of the Internet, and holds no other one inside."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        hides_another = ip.sixtofour is not None or ip.teredo is not None
        return ip in GLOBAL_UNICAST and ip.is_global and not hides_another
    special = ip.is_multicast or ip.is_reserved or ip in PROTOCOLS
    return ip.is_global and not special


class PrivateAddress(Exception):
    """A host has an address that nothing is fetched from."""


class _PublicResolver(AbstractResolver):
    """Looks a name up once for a connection, which then goes to these addresses."""

    def __init__(self, is_allowed: Callable[[str], bool]) -> None:
        self._is_allowed = is_allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises PrivateAddress where one of them is not public, and OSError without any."""
        loop = asyncio.get_running_loop()
        entries = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        results = [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in entries
        ]
        if not all(self._is_allowed(result["host"]) for result in results):
            raise PrivateAddress
        return results

    async def close(self) -> None:
        """Nothing is open."""


class Fetcher:
    """Fetches from `hosts`; `*` among them allows all. `is_allowed` says so of an IP address."""

    def __init__(
        self,
        hosts: Collection[str],
        max_bytes: int,
        seconds: float = SECONDS,
        is_allowed: Callable[[str], bool] = is_public,
    ) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._is_allowed = is_allowed

    async def fetch(self, sources: Collection[ImageSource]) -> list[ImageFile]:
        """Returns the files, in order. Raises InvalidValue and UnsupportedParameter."""
        if not sources:
            return []
        for source in sources:
            self._check(source.url, source.place)
        connector = TCPConnector(
            resolver=_PublicResolver(self._is_allowed), use_dns_cache=False, force_close=True
        )
        place = ""
        files = []
        try:
            async with (
                asyncio.timeout(self._seconds),
                ClientSession(
                    connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False
                ) as session,
            ):
                for place, url in sources:
                    files.append(ImageFile(place, await self._read(session, url, place)))
        except TimeoutError:
            raise InvalidValue(
                f"{place}: the image was not there within {self._seconds:g} seconds", param=place
            ) from None
        except PrivateAddress:
            raise _private(place) from None
        except (ClientError, OSError, ValueError) as error:
            raise InvalidValue(
                f"{place}: the image cannot be fetched ({type(error).__name__})", param=place
            ) from None
        return files

    async def _read(self, session: ClientSession, url: str, place: str) -> bytes:
        async with self._response(session, url, place) as response:
            if response.status != 200:
                raise InvalidValue(
                    f"{place}: the image's server answers with status {response.status}",
                    param=place,
                )
            data = bytearray()
            async for piece in response.content.iter_chunked(PIECE):
                data += piece
                if len(data) > self._max_bytes:
                    raise too_large(place, self._max_bytes)
            return bytes(data)

    @asynccontextmanager
    async def _response(
        self, session: ClientSession, url: str, place: str
    ) -> AsyncIterator[ClientResponse]:
        """Yields the answer behind all redirects, each of which is checked as the first URL is."""
        target = self._check(url, place)
        for _ in range(MAX_REDIRECTS + 1):
            async with session.get(target, headers=ACCEPT, allow_redirects=False) as response:
                if response.status not in REDIRECTS:
                    yield response
                    return
                location = target.join(URL(response.headers.get("Location", "")))
                target = self._check(str(location), place)
        raise InvalidValue(
            f"{place}: more than {MAX_REDIRECTS} redirects lead to the image", param=place
        )

    def _check(self, url: str, place: str) -> URL:
        """Returns the URL. Raises UnsupportedParameter for a host from which none is fetched."""
        try:
            target = URL(url)
        except (ValueError, InvalidURL):
            target = URL()
        host = (target.host or "").lower()
        if target.scheme not in ("http", "https") or not host or target.user or target.password:
            raise InvalidValue(
                f"{place}: the address of an image is data:image/png;base64,… or an HTTP URL "
                "without a user",
                param=place,
            )
        if ANY_HOST not in self._hosts and host not in self._hosts:
            raise UnsupportedParameter(
                f"{place}: no image is fetched from this host, which the setting image_urls does "
                "not name; send the image itself, as data:image/png;base64,…",
                param=place,
            )
        if _is_address(host) and not self._is_allowed(host):
            raise _private(place)
        return target


def _private(place: str) -> InvalidValue:
    return InvalidValue(f"{place}: the image's host has no public address", param=place)


def _is_address(host: str) -> bool:
    """Returns whether a host is an IP address, which nothing would look up."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
