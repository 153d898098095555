"""A model has to fit on the instance, by the plan that the service would start with there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.models.artifacts import FileEntry, Manifest
from tests.bentocloud.checks import plan, refusal
from tests.bentocloud.person import Person
from tests.models.configs import AWQ, LLAMA_3_70B
from tests.plan.hub import Hub, serving

FILES = {"org/70b": LLAMA_3_70B, "org/70b-awq": LLAMA_3_70B | {"quantization_config": AWQ}}
BIG = ("vllm", "--arg", "model=org/70b", "--dry-run")


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    files = {name: {"config.json": json.dumps(config).encode()} for name, config in FILES.items()}
    with serving(Hub(files)) as hub:
        yield hub


@pytest.fixture
def person(hub: Hub, tmp_path: Path) -> Person:
    cache = {"HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
    return Person(tmp_path, variables={"HF_ENDPOINT": hub.url, **cache})


def test_what_fits_is_told_by_its_plan(person: Person) -> None:
    done = person.run("scripts/deploy", "vllm", "--arg", "model=org/70b-awq", "--dry-run")
    assert "plan: org/70b-awq: " in done.stderr
    assert "fit on a100-80gb" in done.stderr


def test_what_does_not_fit_is_refused_with_what_would(person: Person) -> None:
    line = person.refusal(*BIG)
    assert line.startswith("instance_type 'gpu.a100.1x80': org/70b does not fit on a100-80gb")
    assert "python -m build_scripts.awq --model org/70b" in line
    person.deploy(*BIG, "--no-fit")
    four = ("--set", "instance_type=gpu.a100.4x80", "--arg", "tensor_parallel_size=4")
    person.deploy(*BIG, *four)


def test_the_model_may_be_named_in_the_file(person: Person) -> None:
    variable = "envs=[{name: MODEL, value: org/70b}]"
    assert "org/70b does not fit" in person.refusal("vllm", "--set", variable, "--dry-run")


def test_a_model_that_is_not_there(person: Person) -> None:
    line = person.refusal("vllm", "--arg", "model=org/none", "--dry-run")
    assert "'org/none'" in line
    assert line.endswith("(--no-fit does not ask)")


def test_a_machine_of_another_kind() -> None:
    split = {"tensor_parallel_size": "2"}
    assert "tensor_parallel_size is 2, and there is 1 x" in refusal("vllm", arguments=split)
    assert "it has no GPU, and llm-vllm is built for one" in refusal("vllm", "instance_type=cpu.8")
    assert "the fit is not judged" in str(plan("vllm", "instance_type=our-own-h100s"))


@pytest.mark.parametrize(
    ("backend", "setting", "value"),
    [("vllm", "MODEL", "/tmp"), ("vllm", "MODEL", "small:one"), ("mlc", "ENGINE_DIR", "lib:one")],
)
def test_a_model_of_this_machine_travels_only_when_it_is_baked_in(
    backend: str, setting: str, value: str
) -> None:
    line = refusal(backend, f"envs=[{{name: {setting}, value: '{value}'}}]")
    assert "is on this machine, and not in the bento" in line


def test_what_was_compiled_for_another_gpu_is_refused(tmp_path: Path) -> None:
    from bentoml._internal.configuration.containers import BentoMLContainer

    put_compiled(tmp_path / "store" / "lib" / "one", "9.0")
    put_compiled(tmp_path / "store" / "lib" / "two", "8.0")
    with BentoMLContainer.model_store_dir.patch(str(tmp_path / "store")):
        line = refusal("mlc", arguments={"engine_dir": "lib:one"})
        plan("mlc", arguments={"engine_dir": "lib:two"})
        plan("mlc", "instance_type=gpu.h100.1x80", arguments={"engine_dir": "lib:one"})
    assert "lib:one was compiled for compute capability 9.0 (H100), and a100-80gb has 8.0" in line
    assert line.endswith("build it there: make it (--no-fit does not ask)")


def put_compiled(place: Path, capability: str) -> None:
    place.mkdir(parents=True)
    (place / "lib.so").write_bytes(b"")
    Manifest(
        kind="mlc",
        builder="build_scripts.mlc",
        command="make it",
        model="org/8b",
        revision=None,
        fingerprint="",
        scheme="q4f16_1",
        arguments={},
        tools={},
        created="2026-01-01T00:00:00Z",
        gpu="H100",
        compute_capability=capability,
        files={"lib.so": FileEntry("", 0)},
    ).write(place)
