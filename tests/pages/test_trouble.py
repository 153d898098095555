"""The chat in a browser when something is wrong: errors, full and dying services, API keys."""

import json

from playwright.sync_api import Page, Route, expect

from common.errors import EngineDead
from common.http.events import event
from tests.contract.support import Samples, expect_idle
from tests.limits import DEADLINE
from tests.pages.conftest import KEY, Open, busy
from tests.pages.support import CHAT, ask, chunk, finished, fulfil
from tests.service_process import Service, eventually


def test_a_refused_field_is_shown_in_the_services_words(chat: Page, served: Service) -> None:
    chat.fill("#field-temperature", "9")
    ask(chat, "hot")
    problem = chat.locator(".problem")
    body = {"messages": [{"role": "user", "content": "a"}], "temperature": 9}
    message = served.http.post("/v1/chat/completions", json=body).json()["error"]["message"]
    expect(problem).to_contain_text(message)
    expect(problem).to_contain_text("status 400 · invalid_value · field temperature")
    chat.fill("#field-temperature", "")
    chat.click("text=Try again")
    expect(finished(chat)).to_contain_text("12 answer tokens")
    assert problem.count() == 0


def test_what_is_no_number_is_left_to_the_service_to_refuse(chat: Page) -> None:
    chat.fill("#field-top_p", "much")
    ask(chat, "hot")
    expect(chat.locator(".problem")).to_contain_text("'top_p' is not valid")


def test_a_full_service_says_how_long_to_wait(chat: Page, served: Service) -> None:
    with busy(served):
        ask(chat, "hello")
        problem = chat.locator(".problem")
        expect(problem).to_contain_text("status 429 · overloaded")
        expect(problem).to_contain_text("The service asks to wait 1 second")
    expect_idle(served, DEADLINE)
    chat.click("text=Try again")
    finished(chat)


def test_an_answer_that_is_ended_by_others_is_not_complete(chat: Page, served: Service) -> None:
    with chat.expect_response(CHAT) as answered:
        ask(chat, "one two three", tokens=0)
    expect(chat.locator(".answer > .text")).to_contain_text("one two")
    request_id = answered.value.headers["x-request-id"]
    assert served.http.delete(f"/v1/requests/{request_id}").status_code == 200
    problem = chat.locator(".problem")
    expect(problem).to_contain_text("cancelled by DELETE")
    expect(problem).to_contain_text("The answer above is not complete.")
    expect(problem).to_contain_text(request_id)
    expect(chat.locator(".answer > .text")).to_contain_text("one two")


def test_an_engine_that_dies_in_an_answer_is_named(chat: Page) -> None:
    death = EngineDead("the engine has died")
    fulfil(chat, chunk(content="Well, "), event(death.body("request-1")))
    ask(chat, "hello")
    problem = chat.locator(".problem")
    expect(problem).to_contain_text("the engine has died")
    expect(problem).to_contain_text("engine_dead · request request-1")
    expect(problem).to_contain_text("The answer above is not complete.")


def test_a_stream_without_its_end_is_not_taken_for_an_answer(chat: Page) -> None:
    fulfil(chat, chunk(content="Well, "))
    ask(chat, "hello")
    expect(chat.locator(".problem")).to_contain_text("ended before the answer was complete")


def test_a_service_that_is_gone_is_said_to_be(chat: Page) -> None:
    chat.route(CHAT, lambda route: route.abort())
    ask(chat, "hello")
    expect(chat.locator(".problem")).to_contain_text("The service cannot be reached.")


def test_a_key_is_asked_for_kept_in_the_tab_and_forgotten(open_page: Open) -> None:
    chat = open_page(key=False)
    expect(chat.locator("#notice")).to_contain_text("asks for an API key")
    expect(chat.locator("#key")).to_be_focused()
    chat.keyboard.type("wrong")
    chat.keyboard.press("Enter")
    expect(chat.locator("#notice")).to_contain_text("does not take this API key")
    chat.fill("#key", KEY)
    chat.press("#key", "Enter")
    expect(chat.locator("#title")).to_have_text("demo")
    expect(chat.locator("#key-form")).to_be_hidden()
    assert chat.evaluate("Object.values(sessionStorage)") == [KEY]
    assert chat.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    ask(chat, "hello")
    finished(chat)
    assert KEY not in chat.content()
    chat.click("#forget")
    expect(chat.locator("#key-form")).to_be_visible()
    assert chat.evaluate("sessionStorage.length") == 0


def test_a_key_that_ends_in_a_conversation_is_asked_for_again(chat: Page) -> None:
    chat.evaluate("sessionStorage.setItem('llm-api-key', 'old')")
    ask(chat, "hello")
    expect(chat.locator(".problem")).to_contain_text("status 401 · invalid_api_key")
    chat.fill("#key", KEY)
    chat.press("#key", "Enter")
    expect(chat.locator("#key-form")).to_be_hidden()
    chat.click("text=Try again")
    finished(chat)


def test_a_service_that_starts_is_waited_for(open_page: Open) -> None:
    error = {"error": {"message": "the service is starting", "code": "not_ready"}}
    headers = {"retry-after": "1"}

    def starting(route: Route) -> None:
        route.fulfill(status=503, body=json.dumps(error), headers=headers)

    chat = open_page()
    chat.route("**/v1/models", starting)
    chat.reload()
    expect(chat.locator("#notice")).to_contain_text("the service is starting")
    expect(chat.locator("#notice")).to_contain_text("tries again in 1 s")
    expect(chat.locator("#send")).to_be_disabled()
    chat.unroute("**/v1/models")
    expect(chat.locator("#notice")).to_be_empty()
    expect(chat.locator("#send")).to_be_enabled()


def test_a_request_that_a_page_leaves_behind_ends(chat: Page, served: Service) -> None:
    ask(chat, "hello", tokens=0)
    eventually(lambda: Samples(served)["requests_running"] == 1, DEADLINE, "it runs")
    chat.goto(f"{served.url}/docs")
    expect_idle(served, DEADLINE)
