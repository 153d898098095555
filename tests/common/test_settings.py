"""Settings from arguments and the environment; what is wrong is said in one line."""

import pytest

from common.errors import StartError
from common.settings import Settings, load_settings


def refusal(arguments: dict[str, object], environment: dict[str, str]) -> str:
    with pytest.raises(StartError) as caught:
        load_settings(arguments, environment)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_defaults_are_a_valid_service() -> None:
    assert load_settings({}, {}) == Settings()
    assert Settings().model is None
    assert Settings().api_keys == []


def test_the_environment_wins_over_arguments() -> None:
    settings = load_settings({"max_queue": 5, "seed": 1}, {"MAX_QUEUE": "7", "UNRELATED": "x"})
    assert (settings.max_queue, settings.seed) == (7, 1)


def test_an_empty_variable_is_not_set() -> None:
    assert load_settings({"max_queue": 5}, {"MAX_QUEUE": ""}).max_queue == 5


def test_arguments_may_be_text_as_on_a_command_line() -> None:
    settings = load_settings({"max_queue": "5", "docs": "false", "engine_args": '{"a": 1}'}, {})
    assert (settings.max_queue, settings.docs, settings.engine_args) == (5, False, {"a": 1})


def test_lists_are_split_at_commas() -> None:
    settings = load_settings({}, {"API_KEYS": " one, two ,,", "CORS_ORIGINS": "https://a.org"})
    assert settings.api_keys == ["one", "two"]
    assert settings.cors_origins == ["https://a.org"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_model_len", "15"),
        ("max_model_len", "long"),
        ("max_concurrency", "0"),
        ("max_queue", "-1"),
        ("queue_timeout", "0"),
        ("first_token_timeout", "nan"),
        ("drain_timeout", "-1"),
        ("dtype", "int3"),
        ("tool_format", "xml"),
        ("gpu_memory_utilization", "1.1"),
        ("tensor_parallel_size", "0"),
        ("trust_remote_code", "perhaps"),
        ("seed", "-1"),
        ("max_body_bytes", "10"),
        ("max_header_bytes", "4095"),
        ("max_header_bytes", "1048577"),
        ("kv_cache_gib", "0"),
    ],
)
def test_a_bad_value_is_one_line_with_the_name_and_the_value(name: str, value: str) -> None:
    for message in (refusal({name: value}, {}), refusal({}, {name.upper(): value})):
        assert message.startswith(f"setting {name!r}: ")
        assert value in message


def test_the_error_of_an_unknown_argument_has_the_nearest_name() -> None:
    message = refusal({"max_model_length": 5}, {})
    assert "'max_model_length'" in message
    assert "did you mean 'max_model_len'" in message
    assert "queue_timeout" in refusal({"zzz": 1}, {})


def test_a_secret_is_never_shown() -> None:
    assert "hunter2" not in refusal({"api_keys": {"hunter2": 1}}, {})
    assert "hunter2" not in repr(load_settings({}, {"API_KEYS": "hunter2"}))
    for name, value in (
        ("engine_args", '{"api_key": "hunter2"'),
        ("engine_args", '["hunter2"]'),
        ("otlp_endpoint", "me:hunter2@collector:4318"),
    ):
        message = refusal({}, {name.upper(): value})
        assert message.startswith(f"setting {name!r}: ")
        assert "hunter2" not in message
