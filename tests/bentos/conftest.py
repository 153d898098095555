"""Every bento, built once for all tests: they only look at them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from build_scripts.bentos.table import Bento, all_bentos
from common.models.model import DEMO_MODEL
from tests.bentos.support import Store
from tests.conftest import ADAPTERS

BENTOS = all_bentos()
BAKED = {
    "a hub id": ("vllm", "model=org/name", "max_model_len=512"),
    "a newest model": (
        "echo",
        "model=small:latest",
        "adapters=mine=terse:latest",
        "max_model_len=512",
    ),
    "a compiled engine": ("mlc", "engine_dir=lib:one"),
    "a name": ("echo", "served_model_name=baked", "max_model_len=512"),
}
"""Backend and settings of the bentos that have some."""
Built = Callable[[Bento], Path]


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Holds two models and an adapter."""
    store = Store(tmp_path_factory.mktemp("bentos"))
    store.put_models(
        {"small:one": DEMO_MODEL, "lib:one": DEMO_MODEL, "terse:one": ADAPTERS["terse"]}
    )
    return store


@pytest.fixture(scope="session")
def built(shared_store: Store) -> Built:
    """Returns the directory of a bento with nothing baked in."""
    commands = [(each.backend, *([f"--{each.variant}"] if each.variant else [])) for each in BENTOS]
    directories = dict(
        zip((each.name for each in BENTOS), shared_store.build_all(*commands), strict=True)
    )
    return lambda bento: directories[bento.name]


@pytest.fixture(scope="session")
def baked(shared_store: Store) -> dict[str, Path]:
    """Returns the directories of those in BAKED."""
    commands = [
        (backend, *(f"--arg={word}" for word in words)) for backend, *words in BAKED.values()
    ]
    return dict(zip(BAKED, shared_store.build_all(*commands), strict=True))


@pytest.fixture(params=BENTOS, ids=lambda bento: bento.name)
def bento(request: pytest.FixtureRequest) -> Bento:
    bento: Bento = request.param
    return bento


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)
