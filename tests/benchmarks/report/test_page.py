"""The page in a real browser: drawn, sorted, read on a phone and in the dark, and never online."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from benchmarks.report.colours import PALETTE, PAPER
from tests.browser import PHONE, contrast, luminance


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
    assert bars.count() == figure.locator("details tbody tr").count() - 1 == 8
    assert figure.locator("svg text", has_text="failed").count() == 1


def column(opened: Page, number: int) -> list[float]:
    cells = opened.locator(f"table.sortable >> nth=0 >> css=tbody td:nth-child({number})")
    texts = cells.all_inner_texts()
    assert texts[-1] == ""  # what has no value is last, either way
    return [float(text.split()[0].replace(",", "")) for text in texts[:-1]]


def test_a_table_is_sorted_by_a_click_and_by_the_keyboard(opened: Page) -> None:
    opened.get_by_text("All numbers").first.click()
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
    opened.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    assert opened.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert opened.locator("details .scroll").first.evaluate(
        "each => each.scrollWidth > each.clientWidth"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_bars_stand_out_from_the_paper(opened: Page, theme: str) -> None:
    opened.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    paper = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = opened.evaluate("getComputedStyle(document.body).color")
    assert contrast(paper, ink) >= 7
    bars = opened.locator("figure svg .mark-rect.role-mark path")
    fills = set(bars.evaluate_all("all => all.map(each => getComputedStyle(each).fill)"))
    assert len(fills) == 4
    assert all(contrast(paper, fill) >= 3 for fill in fills)


def test_every_title_of_the_contents_leads_to_its_part(opened: Page) -> None:
    links = opened.locator(".contents a")
    targets = links.evaluate_all("all => all.map(each => each.getAttribute('href').slice(1))")
    assert len(targets) >= 6
    assert all(opened.locator(f"[id='{target}']").count() == 1 for target in targets)


def test_the_matrix_names_the_leader_of_each_load(opened: Page) -> None:
    rates = opened.locator("table.matrix").first
    assert rates.locator("th[scope=row]").all_inner_texts() == [
        *("LMDeploy", "MLC-LLM", "SGLang", "Transformers", "vLLM")
    ]
    leaders = rates.locator("td.leader").all_inner_texts()
    assert [text.startswith("★") for text in leaders] == [True, True]


@pytest.mark.parametrize("width", [PHONE["width"], 1280])
def test_no_label_breaks_within_a_word(opened: Page, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    labels = opened.locator(".only label, table.matrix th")
    lines = labels.evaluate_all(
        """all => all.map(each => {
          const range = document.createRange();
          range.selectNodeContents(each);
          const tops = [...range.getClientRects()].map(box => Math.round(box.top));
          return [new Set(tops).size, each.textContent.split(/[ -]/).length];
        })"""
    )
    assert len(lines) > 10
    assert all(count <= words for count, words in lines)


def saved(opened: Page, button: Locator) -> bytes:
    with opened.expect_download() as download:
        button.click()
    return Path(download.value.path()).read_bytes()


def test_a_figure_is_saved_as_png_and_svg_in_the_colours_that_are_shown(opened: Page) -> None:
    opened.evaluate("document.documentElement.dataset.theme = 'dark'")
    buttons = opened.locator("figure .export").first
    assert saved(opened, buttons.get_by_text("PNG")).startswith(b"\x89PNG")
    drawn = saved(opened, buttons.get_by_text("SVG")).decode()
    assert drawn.startswith("<svg")
    assert "var(" not in drawn
    assert PALETTE[0].dark in drawn or PAPER.dark in drawn


def test_the_summary_is_saved_as_csv_json_and_markdown(opened: Page, page: Path) -> None:
    buttons = opened.locator("#summary")
    for name in ("CSV", "JSON", "Markdown"):
        end = {"Markdown": "md"}.get(name, name.lower())
        expected = (page.parent / f"summary.{end}").read_text("utf-8")
        text = saved(opened, buttons.get_by_text(name, exact=True)).decode()
        assert text.strip().splitlines()[0] == expected.strip().splitlines()[0]
        assert abs(len(text) - len(expected)) <= len(expected) / 10


def test_what_is_open_to_the_keyboard_shows_where_it_is(opened: Page) -> None:
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.id") == "theme"
    assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_every_figure_has_a_name_and_a_description(opened: Page) -> None:
    named = opened.evaluate(
        "[...document.querySelectorAll('figure svg')].map(each => each.getAttribute("
        "'aria-labelledby').split(' ').map(id => document.getElementById(id)?.textContent))"
    )
    assert len(named) >= 16
    assert all(len(pair) == 2 and all(pair) for pair in named)
    ids = opened.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
    assert len(ids) == len(set(ids))


def test_points_are_as_many_as_the_cells(opened: Page) -> None:
    figure = opened.locator(
        "figure", has=opened.locator("h3", has_text="First token against")
    ).first
    points = figure.locator("svg .mark-symbol.role-mark path")
    assert points.count() == figure.locator("details tbody tr").count() == 8


def test_the_theme_follows_the_system_and_the_button(opened: Page) -> None:
    opened.emulate_media(color_scheme="dark")
    dark = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.locator("#theme").click()
    light = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert luminance(dark) < 0.05 < luminance(light)
