"""Errors of a chat are told by a route's own names, and what they quote stays as it was sent."""

import pytest

from common.errors import InvalidValue
from common.http.anthropic.translation import NAMES
from common.http.renaming import renamed


@pytest.mark.parametrize(
    ("message", "other"),
    [
        (
            "response_format is not supported by the echo backend: none",
            "output_config.format is not supported by the echo backend: none",
        ),
        (
            "tools[2].function.parameters: allowed is a schema of type 'object'",
            "tools[2].input_schema: allowed is a schema of type 'object'",
        ),
        (
            "tools[0].function.name: another tool has the name 'response_format'",
            "tools[0].name: another tool has the name 'response_format'",
        ),
        (
            "tools[0].function.parameters.properties.response_format: it is no schema",
            "tools[0].input_schema.properties.response_format: it is no schema",
        ),
        (
            'tool_choice names "it\'s reasoning_effort", no tool',
            'tool_choice names "it\'s reasoning_effort", no tool',
        ),
        (
            "the model's template has no variable 'tools[0].function.a'",
            "the model's template has no variable 'tools[0].function.a'",
        ),
        (
            "the model's limit is passed by response_format",
            "the model's limit is passed by output_config.format",
        ),
        ("my_response_format is unknown", "my_response_format is unknown"),
    ],
)
def test_only_what_the_service_says_itself_is_renamed(message: str, other: str) -> None:
    assert renamed(InvalidValue(message), NAMES).message == other


@pytest.mark.parametrize(
    ("param", "other"),
    [
        ("reasoning_effort", "thinking"),
        ("tools[0].function.parameters", "tools[0].input_schema"),
        ("tools[0].function.strict", "tools[0].strict"),
        ("max_tokens", "max_tokens"),
        (None, None),
    ],
)
def test_the_field_is_renamed_and_the_first_error_stays(
    param: str | None, other: str | None
) -> None:
    error = InvalidValue("some", param=param)
    assert renamed(error, NAMES).param == other
    assert error.param == param
