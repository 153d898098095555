"""Bentos served from the store, by what they require and nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.model import DEMO_MODEL
from tests.bentos.environment import installed, linked
from tests.bentos.support import Store
from tests.builder.support import Home
from tests.serving import REPOSITORY, Installed, start_service

BASE = ["test_generate.py", "test_chat.py", "test_errors.py", "test_operations.py"]
SUITES = {
    "echo": [*BASE, "test_completions.py", "test_capabilities.py", "test_models_and_tokens.py"],
    "transformers": [*BASE, "test_completions.py"],
    "vllm": ["test_generate.py", "test_chat.py"],
}
"""Of the contract: what differs by backend, not what shared code does for all alike."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """For environments: links to a gigabyte, not kept."""
    path = tmp_path_factory.mktemp("environments")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def environment_of(backend: str, folder: Path, place: Path) -> Path:
    """The interpreter of one environment per backend; a later bento finds it there."""
    requirements = place / "env" / "python" / "requirements.txt"
    target = folder / backend
    if target.exists():
        return target / "bin" / "python"
    if backend == "echo":
        return installed(requirements, target)
    own = REPOSITORY / f".venv-{backend}"
    source = own if own.exists() else Path(sys.executable).parents[1]
    return linked(requirements, target, source.resolve())


def tag(place: Path) -> str:
    return f"{place.parent.name}:{place.name}"


def run_suite(bento: Installed, *options: str) -> None:
    given = {"backend": bento.backend, "tag": bento.tag}
    given |= {"home": str(bento.home), "python": str(bento.python)}
    files = [f"tests/contract/{name}" for name in SUITES[bento.backend]]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", bento.backend]
    done = subprocess.run(
        [*command, *options, *files],
        cwd=REPOSITORY,
        env={**os.environ, "LLM_TEST_BENTO": json.dumps(given)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 20


@pytest.mark.parametrize("backend", ["echo", "transformers"])
def test_the_contract_is_kept_from_the_store(backend: str, home: Store, folder: Path) -> None:
    place = home.build(backend)
    python = environment_of(backend, folder, place)
    run_suite(Installed(backend, tag(place), home.home, python))


def test_vllm_keeps_it_with_the_demo_model_and_its_quantized_sibling(
    home: Store, folder: Path
) -> None:
    plain = home.build("vllm", "--cpu")
    python = environment_of("vllm", folder, plain)
    run_suite(Installed("vllm", tag(plain), home.home, python))
    built = Home(home.home, "build_scripts.awq").build("--samples", "32", "--no-quality")
    awq = home.build(
        "vllm", "--cpu", "--arg", f"model={built.tag}", "--arg", "served_model_name=demo"
    )
    with start_service("vllm", bento=Installed("vllm", tag(awq), home.home, python)) as service:
        (card,) = service.http.get("/v1/models").json()["data"]
        assert (card["id"], card["quantization"]) == ("demo", "compressed-tensors")
        body = {"prompt": "What is the capital of France?", "temperature": 0}
        assert "Paris" in service.http.post("/generate", json=body).text


def card(store: Store, target: str, **settings: object) -> tuple[str, int]:
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


def test_a_model_that_is_gone_is_told_in_one_line(store: Store) -> None:
    store.put_model("small:one", DEMO_MODEL)
    target = tag(store.build("echo", "--arg", "model=small:one"))
    shutil.rmtree(store.home / "models" / "small")
    bento = Installed("echo", target, store.home, Path(sys.executable))
    service = start_service("echo", bento=bento, wait=False)
    assert service.process.wait(60) == 1
    (line,) = (line for line in service.log_text().splitlines() if line.startswith("error: "))
    assert line.startswith("error: setting 'model': no model 'small:one' in ")
