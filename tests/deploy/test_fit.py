"""A model has to fit on the instance, by the plan that the service would start with there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.models.artifacts import FileEntry, Manifest
from tests.deploy.checked import check, refusal
from tests.deploy.support import Person
from tests.models.configs import AWQ, LLAMA_3_8B, LLAMA_3_70B
from tests.plan.hub import COMMIT, Hub, serving

FILES = {
    "org/8b": LLAMA_3_8B,
    "org/70b": LLAMA_3_70B,
    "org/70b-awq": LLAMA_3_70B | {"quantization_config": AWQ},
}


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    files = {name: {"config.json": json.dumps(config).encode()} for name, config in FILES.items()}
    with serving(Hub(files)) as found:
        yield found


@pytest.fixture
def person(hub: Hub, tmp_path: Path) -> Person:
    cache = {"HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
    return Person(tmp_path, extra={"HF_ENDPOINT": hub.url, **cache})


def test_what_fits_is_told_by_its_plan(person: Person) -> None:
    done = person.run("scripts/deploy", "vllm", "--arg", "model=org/8b", "--dry-run")
    assert "plan: org/8b: unquantized: 15.0 GiB of weights fit on a100-80gb" in done.stderr
    done = person.run("scripts/deploy", "vllm", "--arg", "model=org/70b-awq", "--dry-run")
    assert "fit on a100-80gb" in done.stderr


def test_what_does_not_fit_is_refused_with_what_would(person: Person) -> None:
    told = person.refusal("vllm", "--arg", "model=org/70b", "--dry-run")
    assert told.startswith("error: bentos/vllm/deployment.yaml:")
    assert "instance_type: 'gpu.a100.1x80': org/70b does not fit on a100-80gb" in told
    assert "python -m build_scripts.awq --model org/70b" in told
    assert person.run("scripts/deploy", "vllm", "--arg", "model=org/70b", "--dry-run", "--no-fit")


def test_the_model_may_be_named_in_the_file(person: Person) -> None:
    variable = "envs=[{name: MODEL, value: org/70b}]"
    told = person.refusal("vllm", "--set", variable, "--dry-run")
    assert "org/70b does not fit" in told


def test_a_larger_instance_takes_it(person: Person) -> None:
    four = ("--set", "instance_type=gpu.a100.4x80", "--dry-run")
    split = ("--arg", "tensor_parallel_size=4")
    done = person.run("scripts/deploy", "vllm", "--arg", "model=org/70b", *split, *four)
    assert "fit on a100-80gb" in done.stderr


def test_a_model_that_is_not_there(person: Person) -> None:
    told = person.refusal("vllm", "--arg", "model=org/none", "--dry-run")
    assert "'org/none'" in told
    assert "--no-fit does not ask" in told
    assert COMMIT not in told


def test_more_gpus_than_the_instance_has() -> None:
    told = refusal("vllm", arguments={"tensor_parallel_size": "2"})
    assert "'gpu.a100.1x80' has 1 GPU, and tensor_parallel_size is 2" in told


def test_an_engine_without_a_cpu_is_not_put_on_one() -> None:
    assert "has no GPU, and llm-sglang is built for one" in refusal("sglang", "instance_type=cpu.8")


def test_the_fit_on_an_instance_of_unknown_size_is_not_judged() -> None:
    plan = check("vllm", "instance_type=our-own-h100s")
    assert plan is not None
    assert "the fit is not judged" in plan


def test_paths_of_this_machine_mean_nothing_there(tmp_path: Path) -> None:
    for name in ("model", "chat_template"):
        told = refusal("vllm", arguments={name: str(tmp_path)})
        assert told.startswith(f"setting {name!r}: {str(tmp_path)!r} is a path of this machine")


def test_what_was_compiled_for_another_gpu_is_refused(tmp_path: Path) -> None:
    from bentoml._internal.configuration.containers import BentoMLContainer

    put_compiled(tmp_path / "store" / "lib" / "one", "9.0")
    put_compiled(tmp_path / "store" / "lib" / "two", "8.0")
    with BentoMLContainer.model_store_dir.patch(str(tmp_path / "store")):
        told = refusal("mlc", arguments={"engine_dir": "lib:one"})
        check("mlc", arguments={"engine_dir": "lib:two"})
        check("mlc", "instance_type=gpu.h100.1x80", arguments={"engine_dir": "lib:one"})
    assert "lib:one was compiled for compute capability 9.0 (H100), and a100-80gb has 8.0" in told
    assert told.endswith("build it there: make it (--no-fit does not ask)")


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


def test_what_cannot_be_baked_is_told_before_anything_is_built(person: Person) -> None:
    told = person.refusal("echo", "--arg", "model=small:none", "--dry-run")
    assert "setting 'model': no model 'small:none' in " in told
