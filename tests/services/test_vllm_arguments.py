"""The settings about several GPUs and about drafts in vLLM's words, in process and on Ray."""

import os
from typing import Any

import pytest

from common.engine import Engine
from common.errors import StartError
from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings
from services._backends import load
from services._ray_serve.config import logical_cpus, replicas
from services._ray_serve.settings import launch_plan
from services._vllm.arguments import cpu_arguments, engine_arguments, with_given
from services._vllm.request import warm_up
from services.vllm import THREADS_BIND, VLLMEngine

BACKENDS = ("vllm", "ray_serve")
LOOKUP = {"speculative_config": {"prompt_lookup_max": 4}}


def arguments(backend: str, settings: Settings) -> dict[str, Any]:
    model = open_model(settings, DEMO_MODEL)
    if backend == "ray_serve":
        return launch_plan(settings, model).engine_arguments
    return engine_arguments(settings, model)


def check(backend: str, monkeypatch: pytest.MonkeyPatch, **values: Any) -> type[Engine]:
    engine = load(backend)[1]
    monkeypatch.setattr(engine, "package", None)
    monkeypatch.setattr("services.ray_serve.find_spec", lambda name: True)
    engine.check(Settings(**values))
    return engine


@pytest.mark.parametrize("backend", BACKENDS)
def test_on_a_cpu_one_place_for_adapters_stays_empty(backend: str) -> None:
    values = arguments(backend, Settings(adapter_loading="/adapters", max_adapters=3))
    assert values["max_loras"] == 3
    assert cpu_arguments(values)["max_loras"] == 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_engine_itself_makes_pieces_of_so_many_tokens(backend: str) -> None:
    assert arguments(backend, Settings(stream_interval=4))["stream_interval"] == 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_sizes_and_host_memory_have_vllms_names(backend: str) -> None:
    settings = Settings(
        tensor_parallel_size=2,
        pipeline_parallel_size=3,
        data_parallel_size=4,
        expert_parallel=True,
        kv_offload=8,
    )
    values = arguments(backend, settings)
    assert values["tensor_parallel_size"] == 2
    assert values["pipeline_parallel_size"] == 3
    # On Ray the copies of a model without experts are replicas.
    assert values["data_parallel_size"] == (4 if backend == "vllm" else 1)
    assert values["enable_expert_parallel"] is True
    # vLLM's is that of one copy.
    assert values["kv_offloading_size"] == 2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ngram:4", {"method": "ngram", "num_speculative_tokens": 4}),
        ("mtp:1", {"method": "mtp", "num_speculative_tokens": 1}),
        (
            "draft:/small:4",
            {"method": "draft_model", "num_speculative_tokens": 4, "model": "/small"},
        ),
        ("eagle3:/head:2", {"method": "eagle3", "num_speculative_tokens": 2, "model": "/head"}),
    ],
)
def test_drafts_have_vllms_names(backend: str, text: str, expected: dict[str, Any]) -> None:
    assert arguments(backend, Settings(speculative=text))["speculative_config"] == expected


def test_what_the_setting_does_not_say_may_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(speculative="ngram:4", engine_args=LOOKUP)
    check("vllm", monkeypatch, speculative="ngram:4", engine_args=LOOKUP)
    given = with_given(arguments("vllm", settings), settings.engine_args)
    assert given["speculative_config"] == {
        "method": "ngram",
        "num_speculative_tokens": 4,
        "prompt_lookup_max": 4,
    }
    check("vllm", monkeypatch, engine_args={"speculative_config": {"method": "suffix"}})


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "values",
    [
        {"engine_args": {"speculative_config": {"method": "ngram"}}},
        {"engine_args": {"speculative_config": {"model": "/small"}}},
        {
            "speculative": "ngram:4",
            "engine_args": {"speculative_config": {"num_speculative_tokens": 2}},
        },
    ],
)
def test_what_the_setting_says_is_no_engine_argument(
    backend: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StartError, match="use the setting 'speculative'"):
        check(backend, monkeypatch, **values)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_speculative_config_that_is_no_object_is_refused(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StartError, match="speculative_config is 4; allowed is an object"):
        check(backend, monkeypatch, engine_args={"speculative_config": 4})


@pytest.mark.parametrize("backend", BACKENDS)
def test_with_drafts_vllm_lacks_two_request_fields(backend: str) -> None:
    engine = load(backend)[1]
    for settings in (
        Settings(speculative="ngram:4"),
        Settings(engine_args={"speculative_config": {"method": "suffix"}}),
    ):
        gaps = engine(settings, open_model(settings, DEMO_MODEL)).gaps()
        assert {"min_p", "logit_bias"} <= set(gaps)
        assert warm_up(settings).min_p == 0
    plain = Settings()
    assert not {"min_p", "logit_bias"} & set(engine(plain, open_model(plain, DEMO_MODEL)).gaps())
    assert warm_up(plain).min_p > 0


def test_parts_of_a_model_on_a_cpu_need_no_numa_node_each(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (THREADS_BIND, "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    settings = Settings(pipeline_parallel_size=2)
    engine = VLLMEngine(settings, open_model(settings, DEMO_MODEL))
    assert engine._cpu_executor() == {}
    assert os.environ[THREADS_BIND] == "nobind"


def test_a_ray_cluster_of_our_own_has_processors_for_every_copy() -> None:
    settings = Settings(
        tensor_parallel_size=2,
        pipeline_parallel_size=2,
        data_parallel_size=2,
        engine_args={"num_replicas": 3},
    )
    plan = launch_plan(settings, open_model(settings, DEMO_MODEL))
    assert replicas(plan) == 6
    # One for the replica, and one for each of its four workers.
    assert logical_cpus(plan) >= 6 * (1 + 4) + 2
