"""The page in a real browser: drawn, sorted, read on a phone and in the dark, and never online."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

PHONE = {"width": 360, "height": 740}


@pytest.fixture
def opened(browser: Browser, page: Path) -> Iterator[Page]:
    context = browser.new_context()
    tab = context.new_page()
    troubles: list[str] = []
    tab.on("console", lambda message: troubles.append(message.text))
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("request", lambda request: troubles.append(request.url))
    tab.goto(page.as_uri())
    yield tab
    context.close()
    assert [each for each in troubles if each not in (page.as_uri(), "data:,")] == []


def test_every_figure_is_drawn(opened: Page) -> None:
    drawings = opened.locator("figure svg")
    assert drawings.count() >= 16
    for number in range(drawings.count()):
        box = drawings.nth(number).bounding_box()
        assert box is not None
        assert box["width"] > 150
        assert box["height"] > 40
        assert drawings.nth(number).locator("path").count() > 3


def test_bars_are_as_many_as_the_numbers_under_them(opened: Page) -> None:
    figure = opened.locator("figure", has=opened.locator("h3", has_text="Token rate")).first
    bars = figure.locator("svg .mark-rect.role-mark path")
    assert bars.count() == figure.locator("details tbody tr").count() == 8


def column(opened: Page, number: int) -> list[float]:
    cells = opened.locator(f"table.sortable >> nth=0 >> css=tbody td:nth-child({number})")
    return [float(text.replace(",", "")) for text in cells.all_inner_texts()]


def test_a_table_is_sorted_by_a_click_and_by_the_keyboard(opened: Page) -> None:
    head = opened.locator("table.sortable").first.locator("th").nth(2)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(opened, 3) == sorted(column(opened, 3))
    head.locator("button").focus()
    opened.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(opened, 3) == sorted(column(opened, 3), reverse=True)


def test_one_condition_can_be_shown_alone(opened: Page) -> None:
    sections = opened.locator("section.condition")
    assert sections.count() == 2
    opened.locator("#only").select_option(index=1)
    assert [sections.nth(n).is_visible() for n in range(2)] == [True, False]


def test_on_a_phone_only_tables_scroll_sideways(opened: Page) -> None:
    opened.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    assert opened.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance, of `rgb(r, g, b)`."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_bars_stand_out_from_the_paper(opened: Page, theme: str) -> None:
    opened.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    paper = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = opened.evaluate("getComputedStyle(document.body).color")
    assert contrast(paper, ink) >= 7
    bars = opened.locator("figure svg .mark-rect.role-mark path")
    fills = {bar.evaluate("each => getComputedStyle(each).fill") for bar in bars.all()}
    assert len(fills) == 4
    assert all(contrast(paper, fill) >= 3 for fill in fills)


def test_the_theme_follows_the_system_and_the_button(opened: Page) -> None:
    opened.emulate_media(color_scheme="dark")
    dark = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.locator("#theme").click()
    light = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert luminance(dark) < 0.05 < luminance(light)
