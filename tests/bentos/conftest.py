"""Every bento, built once."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from build_scripts.bentos.table import Bento, all_bentos
from tests.bentos.support import Store

BENTOS = all_bentos()
Built = Callable[[Bento], Path]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The place of a bento with nothing baked in."""
    store = Store(tmp_path_factory.mktemp("bentos"))
    places: dict[str, Path] = {}

    def build(bento: Bento) -> Path:
        if bento.name not in places:
            variant = [f"--{bento.variant}"] if bento.variant else []
            places[bento.name] = store.build(bento.backend, *variant)
        return places[bento.name]

    return build


@pytest.fixture
def environments(tmp_path: Path) -> Iterator[Path]:
    """A folder that is not kept: an engine's packages are gigabytes."""
    folder = tmp_path / "environments"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=BENTOS, ids=lambda bento: bento.name)
def bento(request: pytest.FixtureRequest) -> Bento:
    found: Bento = request.param
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)
