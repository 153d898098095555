"""A service finds what was compiled from its model: by content, scheme, GPUs, tag and release."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.models.artifacts import FileEntry, Manifest, store
from common.models.artifacts.fingerprint import fingerprint
from common.models.model import DEMO_MODEL
from common.settings import Settings
from services._backends import load
from services._compiled import builds
from services._compiled.builds import directory_of, read_record
from services._compiled.checks import check_capability, check_release
from services._compiled.tensorrt_engine import KIND as TENSORRT
from services._mlc.build import KIND as MLC
from tests.gpus import put_gpus

MANIFEST = Manifest(
    kind="tensorrt_llm",
    builder="build_scripts.trtllm",
    command="python -m build_scripts.trtllm --quantization int4_awq",
    model="demo",
    revision=None,
    fingerprint=fingerprint(DEMO_MODEL),
    scheme="int4_awq",
    arguments={"tensor_parallel_size": 1},
    tools={"tensorrt_llm": "1.2.1"},
    created="2026-01-01T00:00:00+00:00",
    gpu="NVIDIA A100",
    compute_capability="8.0",
    files={"rank0.engine": FileEntry("0", 5)},
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (store, builds):
        monkeypatch.setattr(module, "store_directory", lambda: tmp_path / "models")
    put_gpus(monkeypatch, "NVIDIA A100, 8.0")
    return tmp_path / "models"


def put(folder: Path, version: str, **changes: Any) -> Path:
    directory = folder / "demo" / version
    directory.mkdir(parents=True)
    (directory / "rank0.engine").write_text("12345")
    dataclasses.replace(MANIFEST, **changes).write(directory)
    return directory


def chosen(**settings: Any) -> str:
    return directory_of(Settings(**settings), TENSORRT).name


def refusal(**settings: Any) -> str:
    with pytest.raises(StartError) as refused:
        chosen(**settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_the_newest_of_the_model_is_taken(folder: Path) -> None:
    put(folder, "old")
    put(folder, "new", created="2026-01-02T00:00:00+00:00")
    put(folder, "other", created="2026-01-03T00:00:00+00:00", fingerprint="0")
    put(folder, "mlc", created="2026-01-03T00:00:00+00:00", kind="mlc")
    assert chosen() == chosen(engine_dir="auto") == chosen(model=str(DEMO_MODEL)) == "new"


def test_scheme_and_number_of_gpus_select(folder: Path) -> None:
    put(folder, "fp8", scheme="fp8", created="2026-01-02T00:00:00+00:00")
    put(folder, "awq")
    put(folder, "two", scheme="none", arguments={"tensor_parallel_size": 2})
    assert chosen(quantization="awq") == chosen(quantization="int4_awq") == "awq"
    assert chosen(quantization="auto") == "fp8"
    assert chosen(tensor_parallel_size=2) == chosen(quantization="none", tensor_parallel_size=2)


def test_what_runs_on_this_gpu_is_taken_before_what_does_not(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "a100")
    put(folder, "h100", compute_capability="9.0", created="2026-01-02T00:00:00+00:00")
    assert chosen() == "a100"
    put_gpus(monkeypatch, "NVIDIA L4, 8.9")
    assert chosen() == "h100"


def test_what_is_missing_is_told_with_what_there_is_and_the_command(folder: Path) -> None:
    message = refusal(model=str(DEMO_MODEL), quantization="fp8", tensor_parallel_size=2)
    assert f"has no TensorRT engine of {DEMO_MODEL} as fp8 for 2 GPUs; compile one" in message
    command = f"--model {DEMO_MODEL} --quantization fp8 --tensor-parallel-size 2"
    assert message.endswith(f"python -m build_scripts.trtllm {command}")
    put(folder, "awq")
    assert "only demo:awq (int4_awq, 1 GPU)" in refusal(quantization="none")
    assert refusal(model="org/name", revision="v1").endswith("--model org/name --revision v1")


def test_a_tag_names_one_of_several(folder: Path) -> None:
    put(folder, "old")
    put(folder, "new", created="2026-01-02T00:00:00+00:00")
    put(folder, "weights", kind="checkpoint")
    assert chosen(engine_dir="demo:old") == "old"
    assert "there are: demo:new, demo:old" in refusal(engine_dir="demo:none")
    assert "is of the kind 'checkpoint'" in refusal(engine_dir="demo:weights")


def test_a_file_that_is_not_as_long_as_it_was_built_is_named(folder: Path) -> None:
    directory = put(folder, "old")
    record, file = read_record(directory), directory / "rank0.engine"
    TENSORRT.check_whole(directory, record, "make it")
    file.write_text("cut")
    with pytest.raises(StartError) as refused:
        TENSORRT.check_whole(directory, record, "make it")
    damaged = f"{file} is damaged: 3 bytes instead of 5; compile one with: make it"
    assert str(refused.value) == f"setting 'engine_dir': {damaged}"
    file.unlink()
    with pytest.raises(StartError, match=r"has no rank0\.engine; compile one with: make it"):
        TENSORRT.check_whole(directory, record, "make it")


def test_a_directory_is_taken_as_it_is(folder: Path, tmp_path: Path) -> None:
    assert directory_of(Settings(engine_dir=str(tmp_path)), TENSORRT) == tmp_path
    assert directory_of(Settings(engine_dir="./nowhere"), TENSORRT).name == "nowhere"


def test_another_gpu_and_another_release_are_refused_with_the_command_that_rebuilds(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = put(folder, "engine", tools={"tensorrt_llm": "1.1.0"})
    record = read_record(directory)
    with pytest.raises(StartError) as refused:
        check_release(TENSORRT, directory, record)
    assert "tensorrt_llm 1.1.0, and this service is for 1.2.1" in str(refused.value)
    assert str(refused.value).endswith(MANIFEST.command)
    check_capability("the engine", record)
    put_gpus(monkeypatch, "NVIDIA H100, 9.0")
    with pytest.raises(StartError) as refused:
        check_capability("the engine", record)
    assert "8.0 (NVIDIA A100) and this GPU has compute capability 9.0" in str(refused.value)
    assert str(refused.value).endswith(f"compile it on this machine: {MANIFEST.command}")


@pytest.mark.parametrize(
    ("release", "taken"),
    [("0.20.dev512", True), ("0.20.0", True), ("unknown", True), ("0.19.0", False)],
)
def test_a_nightly_of_the_same_release_is_taken(folder: Path, release: str, taken: bool) -> None:
    directory = put(folder, "mlc", kind="mlc", tools={"mlc_llm": release})
    if taken:
        check_release(MLC, directory, read_record(directory))
    else:
        with pytest.raises(StartError, match=r"mlc_llm 0\.19\.0, and this service is for 0\.20"):
            check_release(MLC, directory, read_record(directory))


@pytest.mark.parametrize(
    ("backend", "kind"), [("mlc", MLC), ("tensorrt_llm", TENSORRT), ("triton", TENSORRT)]
)
def test_the_release_is_that_of_the_engines(backend: str, kind: builds.Kind) -> None:
    assert kind.release in load(backend)[1].release
