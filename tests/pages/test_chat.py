"""The chat in a browser: answers, stopping, code, and what it says of the service."""

import json
import os
import subprocess
import sys

import pytest
from playwright.sync_api import Page, expect

from common.http.events import DONE
from tests.contract.support import Samples, expect_idle, model_card
from tests.limits import DEADLINE
from tests.pages.conftest import KEY
from tests.pages.support import CHAT, ask, body_of, chunk, finished, fulfil
from tests.service_process import Service

MARKUP = '<img src="https://example.org/x.png" onerror="alert(1)"> & <b>bold</b>'


def test_an_answer_comes_and_its_figures_stand_under_it(chat: Page, served: Service) -> None:
    before = Samples(served)
    ask(chat, "one two three four five six", tokens=60)
    figures = finished(chat)
    expect(chat.locator(".answer[aria-busy]")).to_have_count(0)
    expect(figures).to_contain_text("first token after")
    expect(figures).to_contain_text("tokens/s")
    expect(figures).to_contain_text("60 answer tokens")
    expect(figures).to_contain_text("ended by max_tokens")
    prompt = int(Samples(served)["prompt_tokens_total"] - before["prompt_tokens_total"])
    expect(figures).to_contain_text(f"{prompt} prompt tokens")


def test_an_answer_streams_in_and_stop_frees_the_slot_and_keeps_what_came(
    chat: Page, served: Service
) -> None:
    ask(chat, "one two three", tokens=0)
    expect(chat.locator(".answer > .text")).to_contain_text("one two")
    assert Samples(served)["requests_running"] == 1
    expect(chat.locator("#send")).to_be_hidden()
    chat.click("#stop")
    expect_idle(served, DEADLINE)
    expect(finished(chat)).to_contain_text("you stopped it")
    expect(chat.locator(".answer > .text")).to_contain_text("one two")
    expect(chat.locator("#send")).to_be_visible()


def test_a_conversation_goes_on_with_what_was_said(chat: Page) -> None:
    chat.fill("#system", "Be brief.")
    ask(chat, "first")
    finished(chat)
    with chat.expect_request(CHAT) as sent:
        ask(chat, "second")
    finished(chat, 1)
    said = chat.locator(".answer > .text").first.inner_text()
    messages = body_of(sent.value)["messages"]
    assert [each["role"] for each in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"].split() == said.split()
    chat.click("#new")
    expect(chat.locator("#log li")).to_have_count(0)
    expect(chat.locator("#welcome")).to_be_visible()


def test_the_text_of_an_answer_is_text(chat: Page) -> None:
    ask(chat, MARKUP, tokens=100)
    expect(chat.locator(".answer > .text")).to_contain_text(MARKUP)
    assert chat.locator("#log img, #log b").count() == 0
    finished(chat)


def test_code_in_an_answer_is_set_as_code(chat: Page) -> None:
    fulfil(chat, chunk(content="Run `ls`:\n```sh\nls -l  <x>\n```\nDone"), DONE)
    ask(chat, "code")
    finished(chat)
    assert chat.locator(".answer > .text pre").inner_text() == "ls -l  <x>"
    assert chat.locator(".answer > .text p code").inner_text() == "ls"
    assert chat.locator(".answer > .text p").all_inner_texts() == ["Run ls:", "Done"]


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_folded(chat: Page, name: str) -> None:
    fulfil(chat, chunk(**{name: "Let me see."}), chunk(content="42"), DONE)
    ask(chat, "why")
    finished(chat)
    folded = chat.locator("details.reasoning")
    expect(folded.locator(".text")).to_be_hidden()
    folded.locator("summary").click()
    expect(folded.locator(".text")).to_have_text("Let me see.")
    expect(chat.locator(".answer > .text")).to_have_text("42")


def test_gaps_have_their_reasons_and_close_their_fields(chat: Page, served: Service) -> None:
    card = model_card(served)
    card["capabilities"]["top_k"] = "this one cannot"
    models = json.dumps({"object": "list", "data": [card, {**card, "id": "adapter"}]})
    chat.route("**/v1/models", lambda route: route.fulfill(body=models))
    chat.reload()
    expect(chat.locator("#model option")).to_have_text(["demo", "adapter"])
    gaps = {n: reason for n, reason in card["capabilities"].items() if reason is not True}
    assert len(gaps) >= 3
    assert chat.locator("#gaps dt").all_text_contents() == list(gaps)
    assert chat.locator("#gaps dd").all_text_contents() == list(gaps.values())
    expect(chat.locator("#field-top_k")).to_be_disabled()
    assert "this one cannot" in (chat.locator("#field-top_k-hint").text_content() or "")
    chat.select_option("#model", "adapter")
    expect(chat.locator("#title")).to_have_text("adapter")
    with chat.expect_request(CHAT) as sent:
        ask(chat, "hello")
    assert body_of(sent.value)["model"] == "adapter"


@pytest.mark.parametrize("language", ["curl", "python"])
def test_the_request_as_code_is_the_request(chat: Page, language: str) -> None:
    chat.fill("#field-max_tokens", "9")
    chat.locator("#field-top_k").evaluate("each => { each.closest('details').open = true }")
    chat.fill("#field-top_k", "3")
    chat.click("text=This request as code")
    chat.click(f"#show-{language}")
    chat.fill("#prompt", 'It\'s "quoted" & é')
    code = chat.locator("#code").inner_text()
    assert KEY not in code
    shell = ["sh", "-ec"] if language == "curl" else [sys.executable, "-c"]
    environment = {**os.environ, "API_KEY": KEY}
    done = subprocess.run([*shell, code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with chat.expect_request(CHAT) as sent:
        chat.press("#prompt", "Enter")
    finished(chat)
    said = chat.locator(".answer > .text").inner_text()
    if language == "curl":
        pieces = [json.loads(line[6:]) for line in done.stdout.split("\n\n") if "{" in line]
        text = "".join(each["choices"][0]["delta"].get("content", "") for each in pieces)
    else:
        text = done.stdout
    assert text.split() == said.split()
    body = body_of(sent.value)
    assert (body["max_tokens"], body["top_k"]) == (9, 3)


def test_a_screen_reader_hears_an_answer_once_when_it_has_ended(chat: Page) -> None:
    status = chat.locator("[role=status]")
    assert chat.locator("#log[aria-live], #log [aria-live]").count() == 0
    ask(chat, "one two three", tokens=0)
    expect(chat.locator(".answer[aria-busy] > .text")).to_contain_text("one two")
    assert status.text_content() == ""
    chat.click("#stop")
    finished(chat)
    said = chat.locator(".answer > .text").inner_text()
    assert (status.text_content() or "").split() == ["Stopped:", *said.split()]
