"""Each deployment file is right, and agrees with its engine, the settings and the study."""

from typing import Any

import pytest
import yaml

from common.settings import Settings
from tests.conftest import BACKENDS
from tests.deploy.checked import check, refusal
from tests.service_process import REPOSITORY, loads_weights, service_name

WITH_WEIGHTS = [backend for backend in BACKENDS if loads_weights(backend)]
COMPILED = {"mlc", "triton"}
"""Of them: those that run only what was compiled."""
STUDY = "gpu.a100.1x80"


def deployment(backend: str) -> dict[str, Any]:
    path = REPOSITORY / "bentos" / backend / "deployment.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def service(backend: str) -> dict[str, Any]:
    found: dict[str, Any] = deployment(backend)["services"][service_name(backend)]
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_wrong_with_it(backend: str) -> None:
    check(backend, arguments={"engine_dir": "demo:one"} if backend in COMPILED else {})


@pytest.mark.parametrize("backend", sorted(COMPILED))
def test_what_was_compiled_has_to_be_in_the_bento(backend: str) -> None:
    told = refusal(backend, arguments={"model": "org/name"})
    assert "build_scripts." in told
    assert "--model org/name" in told
    assert "--arg engine_dir=TAG" in told


@pytest.mark.parametrize("backend", BACKENDS)
def test_nobody_may_call_it_without_a_token(backend: str) -> None:
    assert deployment(backend)["access_authorization"] is True


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_replica_gets_as_many_requests_as_its_engine_takes(backend: str) -> None:
    traffic = service(backend)["config_overrides"]["traffic"]
    assert traffic["concurrency"] == Settings().max_concurrency
    assert traffic["external_queue"] is True


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_scales_between_two_numbers(backend: str) -> None:
    scaling = service(backend)["scaling"]
    assert 1 <= scaling["min_replicas"] < scaling["max_replicas"]


@pytest.mark.parametrize("backend", WITH_WEIGHTS)
def test_it_runs_on_the_gpu_of_the_study(backend: str) -> None:
    assert service(backend)["instance_type"] == STUDY


@pytest.mark.parametrize("backend", WITH_WEIGHTS)
def test_it_has_the_token_of_the_hub_by_the_name_of_a_secret(backend: str) -> None:
    assert deployment(backend)["secrets"] == ["huggingface"]


@pytest.mark.parametrize("backend", WITH_WEIGHTS)
def test_a_cold_start_may_take_as_long_as_the_service_lets_it(backend: str) -> None:
    assert service(backend)["cold_start_timeout"] >= Settings().start_timeout
