"""The pages by keyboard, on a phone, in the dark and to assistive technology."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import PHONE, contrast, luminance
from tests.pages.conftest import Open
from tests.service_process import Service

UNNAMED = """[...document.querySelectorAll('input, select, textarea, button, a[href], summary')]
    .filter(each => !each.labels?.length && !each.getAttribute('aria-label')
        && !each.textContent.trim())
    .map(each => each.outerHTML)"""
SCROLLED = "document.documentElement.scrollWidth"
WIDE = "```\n" + "long_name = " * 30 + "\n```\n" + "w" * 200


def test_all_is_reached_and_shown_by_the_keyboard(chat: Page) -> None:
    expect(chat.locator("#prompt")).to_be_focused()
    before: list[str] = []
    while "skip" not in before and len(before) < 10:
        chat.keyboard.press("Shift+Tab")
        before.append(chat.evaluate("document.activeElement.className"))
    expect(chat.locator(".skip")).to_be_in_viewport()
    chat.keyboard.press("Enter")
    expect(chat.locator("#prompt")).to_be_focused()
    chat.keyboard.type("one")
    chat.keyboard.press("Shift+Enter")
    chat.keyboard.type("two three")
    assert chat.locator("#prompt").input_value() == "one\ntwo three"
    chat.keyboard.press("Enter")
    expect(chat.locator(".answer > .text")).to_contain_text("two three")
    chat.keyboard.press("Escape")
    expect(chat.locator(".figures")).to_contain_text("you stopped it")
    expect(chat.locator("#prompt")).to_be_focused()
    reached = []
    for _ in range(12):
        chat.keyboard.press("Tab")
        reached.append(chat.evaluate("document.activeElement.id"))
        assert chat.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    order = [name for name in reached if name]
    assert order[:4] == ["send", "model", "system", "field-max_tokens"]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_every_control_has_a_name(open_page: Open, path: str) -> None:
    tab = open_page(path)
    tab.wait_for_load_state("networkidle")
    assert tab.evaluate(UNNAMED) == []
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
    assert len(ids) == len(set(ids))
    assert tab.locator("h1").count() == tab.locator("main").count() == 1


def test_on_a_phone_nothing_scrolls_sideways(open_page: Open) -> None:
    chat = open_page(viewport=PHONE)
    chat.locator("#send:enabled").wait_for()
    chat.fill("#prompt", WIDE)
    chat.press("#prompt", "Enter")
    expect(chat.locator(".answer pre")).to_be_visible()
    chat.click("#stop")
    expect(chat.locator("#prompt")).to_be_in_viewport()
    chat.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    assert chat.evaluate(SCROLLED) <= PHONE["width"]


def test_the_reference_fits_on_a_phone(open_page: Open) -> None:
    tab = open_page("/docs", viewport=PHONE)
    tab.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    assert tab.evaluate(SCROLLED) <= PHONE["width"]


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_paper(open_page: Open, scheme: str, path: str) -> None:
    tab = open_page(path, color_scheme=scheme)

    def colour(selector: str, name: str) -> str:
        element = tab.locator(selector).first
        return str(element.evaluate(f"each => getComputedStyle(each).{name}"))

    paper = colour("body", "backgroundColor")
    assert (luminance(paper) < 0.05) == (scheme == "dark")
    assert contrast(paper, colour("body", "color")) >= 7
    quiet = "#about" if path == "/" else ".contents h2"
    for selector in ("nav a", quiet, "summary"):
        assert contrast(paper, colour(selector, "color")) >= 4.5
    if path == "/":
        tab.locator("#send:enabled").wait_for()
        assert contrast(colour("#send", "backgroundColor"), colour("#send", "color")) >= 4.5
        wash = colour("aside", "backgroundColor")
        assert contrast(wash, colour("aside .hint", "color")) >= 4.5


def test_each_link_of_the_reference_leads_somewhere_in_it(open_page: Open) -> None:
    tab = open_page("/docs")
    assert tab.locator("script").count() == 0
    broken = tab.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map(each => each.hash.slice(1))"
        ".filter(id => !document.getElementById(id))"
    )
    assert broken == []
    chat = tab.locator("h3", has_text="/v1/chat/completions").locator("..")
    chat.locator("summary", has_text="Fields of the request").click()
    expect(chat.locator("th", has_text="temperature")).to_be_visible()


def test_the_browser_runs_no_script_but_the_pages_own(browser: Browser, served: Service) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(served.url)
    refused = tab.evaluate(
        """() => new Promise(resolve => {
            addEventListener('securitypolicyviolation', e => resolve(e.violatedDirective))
            const script = document.createElement('script')
            script.textContent = 'document.title = "run"'
            document.head.append(script)
        })"""
    )
    assert refused.startswith("script-src")
    assert tab.title() != "run"
    context.close()
