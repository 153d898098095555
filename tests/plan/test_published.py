"""The plan's figures for published models are the published ones."""

import tomllib
from pathlib import Path

import pytest

from common.models.tensors import BYTES
from common.plan.devices import Device
from tests.models.configs import facts
from tests.plan.questions import plan

MODELS = {
    model["source"]: model
    for model in tomllib.loads(Path(__file__).with_name("published.toml").read_text("utf-8"))[
        "model"
    ]
}
TOLERANCE = 0.01
ANY_GPU = Device("a GPU of any size", "gpu", 2**42, 9.0)


@pytest.mark.parametrize("source", MODELS)
def test_every_parameter_is_counted(source: str) -> None:
    model = MODELS[source]
    tensors = facts(model["config"]).plain_tensors
    assert sum(tensor.elements for tensor in tensors) == model["parameters"]


@pytest.mark.parametrize("source", MODELS)
def test_the_plan_has_the_published_figures(source: str) -> None:
    model = MODELS[source]
    found = plan("vllm", facts(model["config"]), ANY_GPU)
    weights = model["parameters"] * BYTES[model["config"]["torch_dtype"]]
    assert found.weight_bytes == pytest.approx(weights, rel=TOLERANCE)
    assert found.kv_bytes_per_token == pytest.approx(model["kv_bytes"], rel=TOLERANCE)
    assert found.max_model_len == model["context"]


def test_a_number_format_at_the_top_is_that_of_the_weights() -> None:
    (model,) = (model for source, model in MODELS.items() if "Mistral-Small-3.1" in source)
    found = plan("vllm", facts(model["config"]), "h100", max_model_len=32768)
    assert (found.scheme, found.dtype) == ("none", "bfloat16")
