"""A model that does not reason answers as ever, whatever clients ask of its reasoning.

How one that reasons answers is tried in tests/http/test_reasoning.py and on an engine in
tests/gallery/test_reasoning.py: nothing of it is the backend's.
"""

import json

import pytest

from tests.contract.support import CHAT, GENERATE, Body, answer, assert_error, post, stream
from tests.service_process import Service

NAMES = ("reasoning", "reasoning_content", "completion_tokens_details")


@pytest.mark.parametrize("include", [True, False, None])
def test_an_answer_without_reasoning_has_no_field_for_it(
    backend_service: Service, include: bool | None
) -> None:
    fields: Body = {"max_tokens": 4, "temperature": 0, "include_reasoning": include}
    written = json.dumps([
        answer(backend_service, CHAT, **fields), stream(backend_service, CHAT, **fields)
    ])  # fmt: skip
    assert not any(f'"{name}"' in written for name in NAMES)
    assert post(backend_service, GENERATE, **fields).status_code == 200


def test_a_variable_that_the_template_does_not_read_is_refused(backend_service: Service) -> None:
    response = post(backend_service, CHAT, chat_template_kwargs={"mood": "calm"})
    message = assert_error(response, 400, "unsupported_parameter", "chat_template_kwargs")
    assert "no variable 'mood'" in message
    assert "add_generation_prompt" in message
