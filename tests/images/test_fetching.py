"""Images by URL: the hosts, the addresses, the size and the time that are allowed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import patch

import pytest
from aiohttp import web

from common.errors import InvalidValue, ServiceError, UnsupportedParameter
from common.images.fetching import MAX_REDIRECTS, Fetcher, is_public
from common.images.source import ImageSource
from tests.images.pictures import picture

RED = picture("red")
PLACE = "messages[0].content[0]"
MAX_BYTES = 10_000


class Site:
    """A server of images on this machine."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.released = asyncio.Event()
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        match request.path:
            case "/red.png":
                return web.Response(body=RED)
            case "/silent.png":
                await self.released.wait()
            case "/large.png":
                return await self._endless(request)
            case "/gone.png":
                return web.Response(status=404)
            case "/again":
                return web.Response(status=302, headers={"Location": "/again"})
            case "/to":
                return web.Response(status=302, headers={"Location": request.query["url"]})
        return web.Response(status=500)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        """Sends as long as somebody reads, without a length."""
        response = web.StreamResponse()
        await response.prepare(request)
        while not self.released.is_set():
            await response.write(bytes(1000))
        return response

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    runner = web.AppRunner(web.Application(), shutdown_timeout=0.1)
    runner.app.router.add_get("/{path:.*}", site.answer)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    site.port = runner.addresses[0][1]
    yield site
    site.released.set()
    await runner.cleanup()


def here(address: str) -> bool:
    """Allows this machine only by one of its addresses."""
    return address == "127.0.0.1"


async def fetched(
    *urls: str,
    hosts: tuple[str, ...] = ("*",),
    is_allowed: Callable[[str], bool] = here,
    seconds: float = 60,
) -> list[bytes]:
    fetcher = Fetcher(hosts, MAX_BYTES, seconds, is_allowed)
    files = await fetcher.fetch([ImageSource(PLACE, url) for url in urls])
    return [file.data for file in files]


async def refusal(*urls: str, error: type[ServiceError] = InvalidValue, **options: Any) -> str:
    with pytest.raises(error) as raised:
        await fetched(*urls, **options)
    assert raised.value.param == PLACE
    return raised.value.message


async def test_images_are_fetched_in_order_without_telling_anything(site: Site) -> None:
    assert await fetched(site.url("/red.png"), site.url("/red.png")) == [RED, RED]
    assert {"Cookie", "Authorization", "Referer"} & {*site.asked[0].headers} == set()


async def test_only_hosts_that_are_named(site: Site) -> None:
    assert await fetched(site.url("/red.png"), hosts=("127.0.0.1",)) == [RED]
    for hosts in ((), ("example.com",), ("127.0.0",)):
        await refusal(site.url("/red.png"), hosts=hosts, error=UnsupportedParameter)
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "0x7f.1", "[::ffff:127.0.0.1]"],
)
async def test_this_machine_is_no_public_host(site: Site, host: str) -> None:
    message = await refusal(site.url("/red.png", host), is_allowed=is_public)
    assert "no public address" in message
    assert not site.asked


@pytest.mark.parametrize(
    "target", ["http://[::1]:1/a.png", "http://localhost:1/a.png", "http://10.0.0.1/a.png"]
)
async def test_a_redirect_leads_to_no_private_address(site: Site, target: str) -> None:
    def not_resolved(address: str) -> bool:
        return here(address) and len(site.asked) == 0

    message = await refusal(site.url(f"/to?url={target}"), is_allowed=not_resolved)
    assert "no public address" in message
    assert len(site.asked) == 1


async def test_a_redirect_leads_to_no_host_that_is_not_named(site: Site) -> None:
    url = site.url("/to?url=http://example.com/a.png")
    message = await refusal(url, hosts=("127.0.0.1",), error=UnsupportedParameter)
    assert "image_urls does not name" in message
    assert len(site.asked) == 1


async def test_a_few_redirects_are_followed(site: Site) -> None:
    assert await fetched(site.url("/to?url=/red.png")) == [RED]
    await refusal(site.url("/to?url=file:///etc/passwd"))
    site.asked.clear()
    assert "redirects" in await refusal(site.url("/again"))
    assert len(site.asked) <= MAX_REDIRECTS + 1


async def test_a_name_is_resolved_once_and_its_address_is_the_one_connected_to(
    site: Site,
) -> None:
    """A second answer of another address, as in DNS rebinding, is never asked for."""
    lookups = []
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo

    async def answer(host: str, port: int, **options: Any) -> Any:
        lookups.append(host)
        return await resolve("127.0.0.1" if len(lookups) == 1 else "10.0.0.1", port, **options)

    with patch.object(type(loop), "getaddrinfo", staticmethod(answer)):
        assert await fetched(site.url("/red.png", "images.example")) == [RED]
    assert lookups == ["images.example"]


async def test_a_host_with_one_private_address_is_refused(site: Site) -> None:
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo

    async def answer(host: str, port: int, **options: Any) -> Any:
        return [
            each
            for address in ("127.0.0.1", "10.0.0.1")
            for each in await resolve(address, port, **options)
        ]

    with patch.object(type(loop), "getaddrinfo", staticmethod(answer)):
        assert "no public address" in await refusal(site.url("/red.png", "images.example"))
    assert not site.asked


async def test_no_more_is_read_than_allowed(site: Site) -> None:
    """The server would never end."""
    assert "too many bytes" in await refusal(site.url("/large.png"))


async def test_a_server_that_never_answers(site: Site) -> None:
    """It is let go after the test only, so that nothing but the limit ends the wait."""
    assert "within 0.2 seconds" in await refusal(site.url("/silent.png"), seconds=0.2)
    assert not site.released.is_set()


async def test_a_server_without_the_image(site: Site) -> None:
    assert "status 404" in await refusal(site.url("/gone.png"))
    site.port = 1
    assert "cannot be fetched" in await refusal(site.url("/red.png"))


async def test_urls_with_a_user_or_of_another_kind(site: Site) -> None:
    for url in (
        f"http://user:word@127.0.0.1:{site.port}/red.png",
        "http:///red.png",
        f"http://2130706433:{site.port}/red.png",
        "http://[::1/red.png",
        "http://host:99999/",
        "file:///etc/passwd",
        "red.png",
    ):
        await refusal(url)
    assert not site.asked


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1"),
        *("192.0.0.8", "192.168.1.1", "198.18.0.1", "203.0.113.5", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a00:1"),
        *("fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        *("2002:a00:1::", "2001:0:a00:1::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)
