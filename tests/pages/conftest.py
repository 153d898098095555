"""One Echo with one slot, asked for a key, and the pages that it serves in a real browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import chromium
from tests.conftest import EchoFactory
from tests.limits import AT_ONCE, DEADLINE
from tests.service_process import Service

KEY = "key-of-the-tests"
STORE_KEY = f"sessionStorage.setItem('llm-api-key', '{KEY}')"
REFUSED = "Failed to load resource"
"""How Chromium's console tells of an answer that is an error."""

Open = Callable[..., Page]

expect.set_options(timeout=1000 * AT_ONCE)


@pytest.fixture(scope="session")
def served(echo_service: EchoFactory) -> Service:
    """Without a length, an answer goes on to its max_tokens: to 1,024 tokens, for 20 seconds."""
    service = echo_service(
        api_keys=KEY, max_concurrency=1, max_queue=0, engine_args={"itl": 0.02, "ttft": 0.05}
    )
    service.http.headers["authorization"] = f"Bearer {KEY}"
    return service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def open_page(browser: Browser, served: Service) -> Iterator[Open]:
    """Opens a page of the service; whatever the page then asks another host fails the test."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_(path: str = "/", *, key: bool = True, **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(1000 * DEADLINE)
        tab.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.log(e.violatedDirective));"
            + (STORE_KEY if key else "")
        )
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("request", lambda request: troubles.append(request.url))
        tab.goto(served.url + path)
        return tab

    yield open_
    for context in contexts:
        context.close()
    own = (served.url, REFUSED)
    assert [each for each in troubles if not each.startswith(own)] == []


@pytest.fixture
def chat(open_page: Open) -> Page:
    """The chat, ready."""
    tab = open_page()
    tab.locator("#send:enabled").wait_for()
    return tab


@contextmanager
def busy(served: Service) -> Iterator[None]:
    """The only slot of the service has a request as long as the block lasts."""
    body = {"prompt": "Hello", "max_tokens": 1024, "stream": True}
    with served.http.stream("POST", "/v1/completions", json=body) as response:
        pieces = response.iter_bytes()
        next(pieces)
        yield
        del pieces
