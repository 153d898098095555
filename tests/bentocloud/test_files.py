"""Each deployment file is right, and agrees with its engine, the settings and the study."""

from typing import Any

import pytest
import yaml

from common.settings import Settings
from tests.bentocloud.checks import plan, refusal
from tests.conftest import BACKENDS
from tests.service_process import REPOSITORY, loads_weights, service_name

COMPILED = {"mlc", "triton"}
"""Backends that run only what was compiled."""


def deployment(backend: str) -> dict[str, Any]:
    path = REPOSITORY / "bentos" / backend / "deployment.yaml"
    content: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return content


@pytest.mark.parametrize("backend", BACKENDS)
def test_its_model_fits_on_its_instance(backend: str) -> None:
    """What is compiled, and what loads no weights, has no plan."""
    compiled = backend in COMPILED
    sentence = plan(backend, arguments={"engine_dir": "demo:one"} if compiled else {})
    planned = not compiled and loads_weights(backend)
    assert (sentence is not None and "of weights fit on" in sentence) is planned


@pytest.mark.parametrize("backend", BACKENDS)
def test_nobody_may_call_it_without_a_token(backend: str) -> None:
    assert deployment(backend)["access_authorization"] is True


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_scales_and_a_replica_gets_as_many_requests_as_its_engine_takes(backend: str) -> None:
    service = deployment(backend)["services"][service_name(backend)]
    assert 1 <= service["scaling"]["min_replicas"] < service["scaling"]["max_replicas"]
    traffic = service["config_overrides"]["traffic"]
    assert traffic["concurrency"] == Settings().max_concurrency
    assert traffic["external_queue"] is True


@pytest.mark.parametrize("backend", [each for each in BACKENDS if loads_weights(each)])
def test_weights_have_the_gpu_of_the_study_the_token_of_the_hub_and_time(backend: str) -> None:
    service = deployment(backend)["services"][service_name(backend)]
    assert service["instance_type"] == "gpu.a100.1x80"
    assert deployment(backend)["secrets"] == ["huggingface"]
    assert service["cold_start_timeout"] >= Settings().start_timeout


@pytest.mark.parametrize("backend", sorted(COMPILED))
def test_what_was_compiled_has_to_be_in_the_bento(backend: str) -> None:
    line = refusal(backend, arguments={"model": "org/name"})
    assert "build_scripts." in line
    assert "--model org/name" in line
    assert "--arg engine_dir=TAG" in line
