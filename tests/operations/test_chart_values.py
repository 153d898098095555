"""Values of the chart that are refused, by its schema or its templates."""

import re
from typing import Any

import pytest

from tests.operations.tools import Refused, chart, environment_of

SECTIONS = ("", "image", "settings", "resources", "cache", "autoscaling", "service", "monitoring")


@pytest.mark.parametrize(
    ("backend", "values", "message"),
    [
        ("vllm", {"backend": "vlm"}, "at '/backend': value must be one of 'echo', "),
        ("vllm", {"image": {"repository": ""}}, "at '/image/repository': minLength"),
        ("echo", {"settings": {"modell": "x"}}, "additional properties 'modell' not allowed"),
        ("echo", {"settings": {"max_queue": -1}}, "at '/settings/max_queue': minimum"),
        ("echo", {"settings": {"model": 7}}, "at '/settings/model': got number, want string"),
        ("echo", {"settings": {"otlp_endpoint": "host:4318"}}, "at '/settings/otlp_endpoint'"),
        (
            "echo",
            {"replicas": 2, "settings": {"batch_dir": "/home/bentoml/.cache/batches"}},
            "settings.batch_dir belongs to one service",
        ),
        ("echo", {"open": True, "keysFile": True}, "keysFile true asks for keys"),
        ("echo", {"settings": {"api_keys": "a"}}, "additional properties 'api_keys' not allowed"),
        ("echo", {"settings": {"seed": 3}}, "at '/settings/seed': value must be 0"),
        ("vllm", {"settings": {"engine_dir": "/x"}}, "at '/settings/engine_dir'"),
        ("mlc", {}, "at '/settings': missing property 'engine_dir'"),
        ("vllm", {"settings": {"tensor_parallel_size": 4}}, "gpus 1 is less than"),
        (
            "vllm",
            {"gpus": 4, "settings": {"pipeline_parallel_size": 2, "data_parallel_size": 3}},
            "gpus 4 is less than the 6 of",
        ),
        ("vllm", {"settings": {"speculative": "ngram"}}, "at '/settings/speculative'"),
        ("tgi", {"settings": {"speculative": "mtp:1"}}, "at '/settings/speculative'"),
        ("echo", {"replicas": 9, "autoscaling": {"enabled": True}}, "replicas 9 is more than"),
        ("vllm", {"replicas": 2}, "set cache.accessMode to ReadWriteMany"),
        ("vllm", {"autoscaling": {"enabled": True}}, "set cache.accessMode to ReadWriteMany"),
        ("vllm", {"secret": "Keys"}, "at '/secret'"),
        ("vllm", {"shm": "8gb"}, "at '/shm'"),
        ("vllm", {"gpus": -1}, "at '/gpus': minimum"),
        (
            "vllm",
            {"settings": {"metrics_public": False}, "monitoring": {"serviceMonitor": True}},
            "scrapes /metrics without a key",
        ),
    ],
)
def test_values_that_would_not_run_are_refused(
    backend: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused, match=re.escape(message)):
        chart(backend, **values)


@pytest.mark.parametrize("name", ["1b", "a.b"])
def test_a_release_is_named_as_a_service_may_be(name: str) -> None:
    with pytest.raises(Refused, match=f'the release\'s name "{name}" cannot name a Service'):
        chart("vllm", name)


@pytest.mark.parametrize(
    "values",
    [
        {"settings": {"engine_args": {"env": {"HF_TOKEN": "x"}}}},
        {"settings": {"engine_args": {"flags": ["--api-key=x"]}}},
        {"settings": {"system_prompt": "hf_abcdefghijklmnopqrst"}},
        {"settings": {"otlp_endpoint": "http://me:secret@collector:4318"}},
        {"settings": {"otlp_endpoint": "http://collector:4318/?a=b&api_key=x"}},
        {"env": [{"name": "OTHER_TOKEN", "value": "x"}]},
        {"env": [{"name": "URL", "value": "http://me:secret@host"}]},
    ],
)
def test_a_secret_among_the_values_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="values don't meet the specifications of the schema"):
        chart("vllm", **values)


def test_names_of_tokens_of_text_and_of_files_are_no_secrets() -> None:
    flags = [
        "--api-key-file=/etc/key",
        "--api-key-file",
        "--max-token-count=3",
        "http://host/my-token-service?stop_words=a",
    ]
    arguments = {"max_num_batched_token": 3, "stop_token_ids": [1], "flags": flags}
    settings = {"engine_args": arguments, "first_token_timeout": 9}
    assert "ENGINE_ARGS" in environment_of(chart("vllm", settings=settings))


@pytest.mark.parametrize("section", SECTIONS)
def test_no_section_of_the_values_takes_a_misspelt_name(section: str) -> None:
    with pytest.raises(Refused, match=r"additional properties 'misspelt' not allowed"):
        chart("vllm", **{section: {"misspelt": 1}} if section else {"misspelt": 1})
