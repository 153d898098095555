"""A model of the BentoML store is named by its tag; what is not there is told."""

from pathlib import Path

import pytest

from common.errors import StartError
from common.models.artifacts import store
from common.models.store_tags import is_tag, with_stored
from common.settings import Settings


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with two versions of one model, the second the latest."""
    models = tmp_path / "models"
    monkeypatch.setattr(store, "store_directory", lambda: models)
    for version in ("one", "two"):
        (models / "small" / version).mkdir(parents=True)
    (models / "small" / "latest").write_text("two")
    return models


@pytest.mark.parametrize("value", ["small:one", "a.b_c-d:1.0", "small:latest"])
def test_a_name_with_a_version_is_a_tag(value: str) -> None:
    assert is_tag(value)


@pytest.mark.parametrize("value", [None, "small", "org/name", "/a:b", "./a:b", "org/name:x", ":x"])
def test_a_path_and_a_hub_id_are_none(value: str | None) -> None:
    assert not is_tag(value)


def test_a_directory_goes_before_a_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small:one").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not is_tag("small:one")


def test_the_model_is_served_under_its_name(models: Path) -> None:
    found = with_stored(Settings(model="small:one"))
    assert found.model == str(models / "small" / "one")
    assert found.served_model_name == "small"


def test_a_name_that_was_set_stays(models: Path) -> None:
    assert with_stored(Settings(model="small:one", served_model_name="x")).served_model_name == "x"


def test_the_latest_is_the_newest_version(models: Path) -> None:
    assert with_stored(Settings(model="small:latest")).model == str(models / "small" / "two")


def test_what_is_not_there_is_refused_with_what_is(models: Path) -> None:
    with pytest.raises(StartError) as refused:
        with_stored(Settings(model="small:three"))
    assert str(refused.value) == (
        f"setting 'model': no model 'small:three' in {models}; there are: small:one, small:two"
    )


def test_an_empty_store_is_told(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "store_directory", lambda: models / "none")
    with pytest.raises(StartError, match="it is empty: build a model into it first"):
        with_stored(Settings(model="small:one"))


def test_inside_a_bento_its_own_models_go_first(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "bento"
    (inside / "models" / "small" / "one").mkdir(parents=True)
    (inside / "bento.yaml").touch()
    monkeypatch.setattr(store, "BENTO", inside)
    found = [with_stored(Settings(model=f"small:{name}")).model for name in ("one", "two")]
    assert found == [str(inside / "models" / "small" / "one"), str(models / "small" / "two")]
