"""An adapter of the demo model is trained anew, and is one that the services take."""

from pathlib import Path

from build_scripts.demo_adapters import ALPHA, ANSWERS, RANK, WANTED_LEAD, make
from common.files import read_json
from common.models.adapter_sources import adapter_check
from common.models.adapters import ADAPTER_CONFIG
from common.models.model import DEMO_MODEL, open_model
from common.settings import Settings
from tests.conftest import ADAPTERS


def test_training_gives_an_adapter_that_is_sure_of_its_answers(tmp_path: Path) -> None:
    assert make(ANSWERS["terse"], tmp_path) >= WANTED_LEAD
    settings = Settings(adapters=f"terse={tmp_path}")
    adapter = adapter_check(settings, open_model(settings, DEMO_MODEL), {}).open(
        "terse", tmp_path, 1
    )
    assert (adapter.rank, adapter.targets) == (RANK, frozenset({"q_proj", "v_proj"}))
    config = read_json(tmp_path / ADAPTER_CONFIG)
    assert config["lora_alpha"] == ALPHA
    assert config == read_json(Path(ADAPTERS["terse"]) / ADAPTER_CONFIG)
