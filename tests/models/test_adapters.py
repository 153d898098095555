"""Adapters are checked from their config and the header of their weights alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from common.errors import StartError
from common.models.adapter_sources import check_adapters, with_adapters
from common.models.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS, scaling
from common.models.model import DEMO_MODEL, Model, open_model
from common.models.store_tags import with_stored
from common.service.bento_service import check_start
from common.settings import Settings, load_settings
from services.echo import EchoEngine
from tests.conftest import ADAPTERS

TERSE = ADAPTERS["terse"]
Q_PROJ = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., Path]:
    """Returns a copy of an adapter with another config, and tensors that are changed or, as None,
    left out."""

    def copy(config: dict[str, Any], tensors: dict[str, torch.Tensor | None]) -> Path:
        folder = tmp_path / "adapter"
        shutil.copytree(TERSE, folder)
        values = json.loads((folder / ADAPTER_CONFIG).read_text()) | config
        (folder / ADAPTER_CONFIG).write_text(json.dumps(values))
        weights = {**load_file(folder / ADAPTER_WEIGHTS), **tensors}
        kept = {name: tensor for name, tensor in weights.items() if tensor is not None}
        save_file(kept, folder / ADAPTER_WEIGHTS)
        return folder

    return copy


def opened(folder: Path, **settings: Any) -> Model:
    asked = Settings(adapters={"mine": str(folder)}, **settings)
    gaps = {"use_rslora": "the engine scales all layers alike"}
    return with_adapters(asked, open_model(asked, DEMO_MODEL), gaps)


def test_an_adapter_of_the_model_is_opened() -> None:
    (adapter,) = opened(TERSE).adapters
    assert (adapter.name, adapter.path, adapter.rank) == ("mine", TERSE, 4)
    assert adapter.key == "mine@1"


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"peft_type": "IA3"}, "its peft_type is 'IA3'; allowed is 'LORA'"),
        ({"use_dora": True}, "use_dora: DoRA is another computation"),
        ({"bias": "all"}, "bias: it replaces biases"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save: it replaces whole modules"),
        ({"init_lora_weights": "pissa_niter_4"}, "training has changed the model too"),
        ({"target_modules": ["q_proj", "c_attn"]}, "'c_attn', which the model has not"),
        ({"use_rslora": True}, "use_rslora: the engine scales all layers alike"),
    ],
)
def test_a_config_that_is_not_for_the_model_or_the_engine_is_refused(
    broken: Callable[..., Path], config: dict[str, Any], problem: str
) -> None:
    with pytest.raises(StartError, match=r"^setting 'adapters': 'mine': ") as refused:
        opened(broken(config, {}))
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({f"{Q_PROJ}.lora_A.weight": None}, "has one matrix only, lora_B"),
        ({f"{Q_PROJ}.lora_A.weight": torch.zeros(4, 128)}, "256 x 128 for it, and of 256 x 256"),
        ({f"{Q_PROJ}.lora_A.weight": torch.zeros(2, 256)}, "have the ranks 2 and 4"),
        ({f"{Q_PROJ}.lora_magnitude_vector": torch.zeros(4)}, "is no matrix of a LoRA"),
        (
            {
                f"{Q_PROJ.replace('.0.', '.9.')}.lora_A.weight": torch.zeros(4, 256),
                f"{Q_PROJ.replace('.0.', '.9.')}.lora_B.weight": torch.zeros(256, 4),
            },
            "it is for another model: model.layers.9.self_attn.q_proj is not in this one",
        ),
    ],
)
def test_weights_that_are_not_for_the_model_are_refused(
    broken: Callable[..., Path], tensors: dict[str, torch.Tensor | None], problem: str
) -> None:
    with pytest.raises(StartError) as refused:
        opened(broken({}, tensors))
    assert problem in str(refused.value)


def test_a_rank_above_the_limit_is_refused_with_the_setting_that_raises_it() -> None:
    with pytest.raises(StartError, match=r"its rank is 4; allowed is at most 2.*max_adapter_rank"):
        opened(TERSE, max_adapter_rank=2)


def test_files_that_are_missing_or_cut_off_are_refused(broken: Callable[..., Path]) -> None:
    folder = broken({}, {})
    weights = folder / ADAPTER_WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(StartError, match="is cut off"):
        opened(folder)
    weights.unlink()
    with pytest.raises(StartError, match=f"has no {ADAPTER_WEIGHTS}"):
        opened(folder)
    (folder / ADAPTER_CONFIG).unlink()
    with pytest.raises(StartError, match=f"has no {ADAPTER_CONFIG}"):
        opened(folder)


def test_a_service_with_a_broken_adapter_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="setting 'adapters': 'mine'"):
        check_start(EchoEngine, Settings(adapters={"mine": str(tmp_path)}))
    with pytest.raises(StartError, match="setting 'adapters': no directory '/nowhere'"):
        check_start(EchoEngine, Settings(adapters={"mine": "/nowhere"}))


@pytest.mark.parametrize("name", ["demo", "default"])
def test_no_adapter_has_the_name_of_the_model(name: str) -> None:
    asked = Settings(adapters={name: str(TERSE)})
    with pytest.raises(StartError, match="is the name of the model itself"):
        check_adapters(asked, open_model(asked, DEMO_MODEL), {})


@pytest.mark.parametrize(
    ("value", "problem"),
    [("mine", "is not name=directory"), ("a=b,a=c", "names 'a' twice"), ("a b=c", "'a b=c'")],
)
def test_the_setting_is_names_with_directories(value: str, problem: str) -> None:
    assert load_settings({}, {"ADAPTERS": "a=/b, c=d/e"}).adapters == {"a": "/b", "c": "d/e"}
    with pytest.raises(StartError, match="setting 'adapters'") as refused:
        load_settings({"adapters": value}, {})
    assert problem in str(refused.value)


def test_an_adapter_of_the_store_is_named_by_its_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    folder = tmp_path / "models" / "terse" / "1"
    folder.mkdir(parents=True)
    monkeypatch.setattr("common.models.store_tags.stores", lambda: [tmp_path / "models"])
    stored = with_stored(Settings(adapters={"mine": "terse:1", "other": "org/name"}))
    assert stored.adapters == {"mine": str(folder), "other": "org/name"}


def test_scales_are_those_of_peft() -> None:
    layer = "model.layers.0.self_attn.q_proj"
    assert scaling({"lora_alpha": 16}, layer, 4) == 4
    assert scaling({"lora_alpha": 16, "use_rslora": True}, layer, 4) == 8
    assert scaling({"lora_alpha": 16, "alpha_pattern": {"q_proj": 2}}, layer, 4) == 0.5
    assert scaling({"lora_alpha": 16, "alpha_pattern": {"v_proj": 2}}, layer, 4) == 4
