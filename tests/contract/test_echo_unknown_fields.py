"""The setting `unknown_fields`: unknown names are refused, ignored with a warning, or ignored."""

import pytest

from tests.conftest import EchoFactory
from tests.contract.support import CHAT, GENERATE, Body, assert_error, body_for, post, user
from tests.limits import DEADLINE
from tests.service_process import eventually

HEADER = "x-ignored-fields"


def test_warned_of_fields_are_named_in_a_header_and_once_in_the_log(
    echo_service: EchoFactory,
) -> None:
    service = echo_service(unknown_fields="warn")
    message: Body = {**user("Hello")[0], "mood": "good"}
    for _ in range(2):
        body = {"messages": [message], "max_tokens": 1, "drop_params": True, "é": 1}
        response = service.http.post(CHAT, json=body)
        assert response.status_code == 200
        assert response.headers[HEADER] == "drop_params, mood, %C3%A9"
    eventually(lambda: "'drop_params'" in service.log_text(), DEADLINE, "the warning")
    assert service.log_text().count("'drop_params'") == 1
    assert HEADER not in post(service, CHAT, max_tokens=1, store=True, seed=None).headers


def test_ignored_fields_are_named_nowhere(echo_service: EchoFactory) -> None:
    service = echo_service(unknown_fields="ignore")
    response = post(service, GENERATE, max_tokens=1, drop_params=True)
    assert response.status_code == 200
    assert HEADER not in response.headers


@pytest.mark.parametrize("mode", ["warn", "ignore"])
def test_what_is_refused_by_name_or_value_stays_refused(
    echo_service: EchoFactory, mode: str
) -> None:
    service = echo_service(unknown_fields=mode)
    response = post(service, CHAT, max_tokens=1, kv_transfer_params={"a": 1})
    assert_error(response, 400, "unsupported_parameter", "kv_transfer_params")
    assert_error(post(service, CHAT, temperature=9), 400, "invalid_value", "temperature")
    body = body_for(CHAT, "Hello", stream_options={"xyz": 1}, stream=True, max_tokens=1)
    assert service.http.post(CHAT, json=body).text.endswith("data: [DONE]\n\n")
