"""Bentos served from the store, by what they require and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.models.model import DEMO_MODEL
from tests.bentos.environment import environment_of
from tests.bentos.suite import run_suite
from tests.bentos.support import Store, tag
from tests.service_process import REPOSITORY, Installed, start_service

CONTRACT = REPOSITORY / "tests" / "contract"
OF_ECHO = "test_echo_"
"""Files of what only Echo can be told to do."""


@pytest.mark.parametrize("backend", ["echo", "transformers"])
def test_the_contract_is_kept_from_the_store(
    backend: str, store: Store, environments: Path
) -> None:
    place = store.build(backend)
    python = environment_of(backend, place, environments)
    names = sorted(file.name for file in CONTRACT.glob("test_*.py"))
    mine = [name for name in names if backend == "echo" or not name.startswith(OF_ECHO)]
    run_suite(Installed(backend, tag(place), store.home, python), *mine)


def card(store: Store, target: str, **settings: Any) -> tuple[str, int]:
    """Served name and context of a bento that this environment serves."""
    bento = Installed("echo", target, store.home, Path(sys.executable))
    with start_service("echo", bento=bento, **settings) as service:
        (found,) = service.http.get("/v1/models").json()["data"]
        return str(found["id"]), int(found["max_model_len"])


def test_the_environment_wins_over_what_was_baked_in(store: Store) -> None:
    baked = ["--arg", "served_model_name=baked", "--arg", "max_model_len=512"]
    target = tag(store.build("echo", *baked))
    assert card(store, target) == ("baked", 512)
    assert card(store, target, max_model_len=256) == ("baked", 256)


def test_a_model_of_the_store_is_served_under_its_name(store: Store) -> None:
    store.put_model("small:one", DEMO_MODEL)
    target = tag(store.build("echo", "--arg", "model=small:one", "--arg", "max_model_len=512"))
    assert card(store, target) == ("small", 512)


def test_in_a_container_the_model_is_found_beside_the_code(store: Store, tmp_path: Path) -> None:
    """As BentoML lays it out there: the bento with its models, and a store that is empty."""
    store.put_model("small:one", DEMO_MODEL)
    place = store.build("echo", "--arg", "model=small:one")
    inside = tmp_path / "bento"
    code = (
        "import shutil, sys, bentoml\n"
        "from bentoml._internal.container import construct_containerfile\n"
        "bento = bentoml.get(sys.argv[1])\n"
        "with construct_containerfile(bento, enable_buildkit=False) as (context, _):\n"
        "    shutil.copytree(context, sys.argv[2])\n"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, tag(place), inside],
        env={**os.environ, "BENTOML_HOME": str(store.home)},
        check=True,
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    assert card(Store(empty), str(inside)) == ("small", 4096)


def test_a_model_that_is_gone_ends_the_start(store: Store) -> None:
    """BentoML itself looks for it, also on BentoCloud, before anything of ours runs."""
    store.put_model("small:one", DEMO_MODEL)
    target = tag(store.build("echo", "--arg", "model=small:one"))
    shutil.rmtree(store.home / "models" / "small")
    bento = Installed("echo", target, store.home, Path(sys.executable))
    with start_service("echo", bento=bento, wait=False) as service:
        assert service.process.wait(60) == 1
        (line,) = service.log_text().splitlines()
    assert "Model small:one could not be found locally" in line
