"""Bentos served from the store, by what they require and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from build_scripts.bentos.table import bento
from tests.bentos.conftest import Built
from tests.bentos.environment import environment_of
from tests.bentos.suite import DEPEND_ON_PACKAGING, SHARED_CODE, run_suite
from tests.bentos.support import Store, tag
from tests.service_process import Installed, Service, start_service


@pytest.mark.parametrize(
    ("backend", "files"), [("echo", SHARED_CODE), ("transformers", DEPEND_ON_PACKAGING)]
)
def test_the_contract_is_kept_from_the_store(
    backend: str, files: tuple[Path, ...], shared_store: Store, built: Built, tmp_path: Path
) -> None:
    """More of it with Echo: the shared code in a bento is the same for every backend. With others
    the files that depend on what is packed; tests/quantization does it with vLLM."""
    directory = built(bento(backend))
    python = environment_of(backend, directory, tmp_path / backend)
    run_suite(Installed(backend, tag(directory), shared_store.home, python), *files)


def served(home: Path, target: str, **settings: Any) -> Service:
    """Returns a bento that this environment serves."""
    installed = Installed("echo", target, home, Path(sys.executable))
    return start_service("echo", bento=installed, **settings)


def card(service: Service) -> tuple[str, int]:
    """Returns the served name and the context."""
    model = service.http.get("/v1/models").json()["data"][0]
    return str(model["id"]), int(model["max_model_len"])


def adapters(service: Service) -> list[str]:
    """Returns the names of those that are served beside the model."""
    return [model["id"] for model in service.http.get("/v1/models").json()["data"][1:]]


def test_the_environment_wins_over_what_was_baked_in(
    shared_store: Store, baked: dict[str, Path]
) -> None:
    settings = {"max_model_len": 256, "max_header_bytes": 4096}
    with served(shared_store.home, tag(baked["a name"]), **settings) as service:
        assert card(service) == ("baked", 256)
        assert service.http.get("/livez", headers={"x": "a" * 3000}).status_code == 200
        assert service.http.get("/livez", headers={"x": "a" * 5000}).status_code == 431


def test_a_model_of_the_store_is_served_under_its_name(
    shared_store: Store, baked: dict[str, Path]
) -> None:
    with served(shared_store.home, tag(baked["a newest model"])) as service:
        assert card(service) == ("small", 512)
        assert adapters(service) == ["mine"]
        assert service.http.get("/livez", headers={"x": "a" * 2**16}).status_code == 431


def test_in_a_container_the_model_is_found_beside_the_code(
    shared_store: Store, baked: dict[str, Path], tmp_path: Path
) -> None:
    """As BentoML lays it out there: the bento with its models, and a store that is empty."""
    inside = tmp_path / "bento"
    code = (
        "import shutil, sys, bentoml\n"
        "from bentoml._internal.container import construct_containerfile\n"
        "bento = bentoml.get(sys.argv[1])\n"
        "with construct_containerfile(bento, enable_buildkit=False) as (context, _):\n"
        "    shutil.copytree(context, sys.argv[2])\n"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, tag(baked["a newest model"]), inside],
        env={**os.environ, "BENTOML_HOME": str(shared_store.home)},
        check=True,
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    with served(empty, str(inside)) as service:
        assert card(service) == ("small", 512)
        assert adapters(service) == ["mine"]


def test_a_model_that_is_gone_ends_the_start(
    baked: dict[str, Path], shared_store: Store, tmp_path: Path
) -> None:
    """BentoML itself looks for it, also on BentoCloud, before anything of ours runs."""
    shutil.copytree(shared_store.home / "bentos", tmp_path / "bentos")
    target = tag(baked["a newest model"])
    installed = Installed("echo", target, tmp_path, Path(sys.executable))
    with start_service("echo", bento=installed, wait=False) as service:
        assert service.process.wait(60) == 1
        (line,) = service.log_text().splitlines()
    assert "Model small:one could not be found locally" in line
