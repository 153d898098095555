"""Starts that fail say why in one line, whichever of LMDeploy's engines it is."""

from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.models.model import DEMO_MODEL, open_model
from common.plan import at_start
from common.settings import Settings
from services.lmdeploy import LMDeployEngine
from tests.model_directories import demo_copy

PYTORCH = {"backend": "pytorch"}


async def refusal(folder: Path = DEMO_MODEL, **values: Any) -> str:
    """Returns what a start says that must fail, when the engine has stopped."""
    settings = Settings(**values)
    chosen, model = at_start.apply(LMDeployEngine, settings, open_model(settings, folder))
    engine = LMDeployEngine(chosen, model)
    with pytest.raises(StartError) as refused:
        await engine.start(lambda phase: None)
    await engine.stop()
    line = str(refused.value)
    assert "\n" not in line
    return line


async def test_weights_of_another_shape(tmp_path: Path) -> None:
    folder = demo_copy(tmp_path / "model", intermediate_size=400)
    line = await refusal(folder, engine_args=PYTORCH)
    assert "LMDeploy cannot load the model: " in line
    assert "Attempted to load weight (torch.Size([256, 768])) into parameter" in line


async def test_a_cache_of_turbomind_that_is_too_small_for_the_context() -> None:
    line = await refusal(engine_args={"cache_max_entry_count": 0.0001})
    assert "setting 'max_model_len': 4096 tokens do not fit into LMDeploy's KV cache" in line


async def test_a_gpu_that_is_too_small_for_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmdeploy_on_cpu.cuda.FREE", 10**6)
    assert "No enough gpu memory" in await refusal(engine_args=PYTORCH)


async def test_an_argument_that_lmdeploy_does_not_have() -> None:
    assert "did you mean 'session_len'" in await refusal(engine_args={"session_length": 9})
