"""Log-probabilities that sampling changes are declared missing where the model's defaults do so."""

import json
from pathlib import Path

import pytest

from common.models.model import DEMO_MODEL, Model
from common.serving.capabilities import logprobs_gaps
from common.settings import Settings
from services.tgi import TGIEngine
from services.triton import TritonEngine


def model(folder: Path, **defaults: object) -> Model:
    (folder / "config.json").write_bytes((DEMO_MODEL / "config.json").read_bytes())
    (folder / "generation_config.json").write_text(json.dumps(defaults))
    return Model(folder, "some", 64)


@pytest.mark.parametrize("defaults", [{}, {"temperature": 1.0, "top_p": 1}, {"eos_token_id": 2}])
def test_plain_defaults_leave_them_as_they_are(tmp_path: Path, defaults: dict[str, object]) -> None:
    assert logprobs_gaps(model(tmp_path, **defaults), "Some") == {}


@pytest.mark.parametrize("engine", [TGIEngine, TritonEngine])
def test_defaults_that_change_them_are_named(
    tmp_path: Path, engine: type[TGIEngine] | type[TritonEngine]
) -> None:
    settings = Settings(engine_url="http://localhost:1")
    gaps = engine(settings, model(tmp_path, temperature=0.6, top_p=0.9)).gaps()
    assert "temperature 0.6, top_p 0.9" in gaps["logprobs"]
    assert gaps.keys() >= {"logprobs", "top_logprobs", *engine.unsupported}
