"""What MLC-LLM's adapter says of a directory that it cannot serve from, before anything loads."""

from pathlib import Path
from typing import Any

import pytest

from common.errors import StartError
from common.models.artifacts import store
from common.models.model import open_model
from common.settings import Settings
from services._mlc.build import check_build, check_model, open_build
from tests.conftest import MODEL
from tests.gpus import put_gpus
from tests.mlc.builds import write_build


def accepted(**settings: Any) -> None:
    given = Settings(**settings)
    check_build(open_build(given), given)


def refusal(**settings: Any) -> str:
    """The one line that a service with these settings ends with."""
    with pytest.raises(StartError) as refused:
        accepted(**settings)
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return write_build(tmp_path / "build")


BUILD = "compile one with: python -m build_scripts.mlc"


def test_a_complete_build_is_taken(build: Path) -> None:
    accepted(engine_dir=str(build))
    accepted(engine_dir=str(build), quantization="q4f16_1", tensor_parallel_size=1)
    assert "'quantization'" in refusal(engine_dir=str(build), quantization="q0f16")


def test_without_a_directory_the_builders_command_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "store_directory", lambda: tmp_path)
    message = refusal(model=str(MODEL), quantization="q0f16", tensor_parallel_size=2)
    assert "'engine_dir'" in message
    command = f"--model {MODEL} --quantization q0f16 --tensor-parallel-shards 2"
    assert message.endswith(f"python -m build_scripts.mlc {command}")


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = refusal(engine_dir=str(tmp_path / "none"))
    assert f"there is no directory {tmp_path / 'none'}" in message
    assert BUILD in message


@pytest.mark.parametrize("name", ["mlc-chat-config.json", "tensor-cache.json", "lib.so"])
def test_a_missing_file_is_named_with_where_it_was_looked_for(build: Path, name: str) -> None:
    (build / name).unlink()
    message = refusal(engine_dir=str(build))
    assert f"{build} has no {name}" in message
    assert BUILD in message


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    files = {"tensor-cache.json": {"sha256": "0", "size": 10**6}}
    build = write_build(tmp_path / "build", manifest={"files": files})
    message = refusal(engine_dir=str(build))
    assert f"{build / 'tensor-cache.json'} is damaged" in message
    assert BUILD in message


def test_a_configuration_of_another_kind_is_told(build: Path) -> None:
    (build / "mlc-chat-config.json").write_text('{"model_type": "llama"}')
    assert "is not one of MLC-LLM's" in refusal(engine_dir=str(build))


def test_the_library_may_lie_elsewhere(build: Path, tmp_path: Path) -> None:
    elsewhere = (build / "lib.so").rename(tmp_path / "model.so")
    accepted(engine_dir=str(build), engine_args={"model_lib": str(elsewhere)})
    message = refusal(engine_dir=str(build), engine_args={"model_lib": str(tmp_path / "b.so")})
    assert f"there is no file {tmp_path / 'b.so'}" in message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quantization": "q0f16"}, ("'quantization'", "'q0f16'", "'q4f16_1'")),
        ({"tensor_parallel_size": 2}, ("'tensor_parallel_size'", "2", "allowed is 1")),
    ],
)
def test_a_setting_that_was_decided_by_the_build_cannot_be_another(
    build: Path, settings: dict[str, Any], words: tuple[str, ...]
) -> None:
    message = refusal(engine_dir=str(build), **settings)
    assert all(word in message for word in words)


def test_a_context_that_was_not_compiled_is_refused(tmp_path: Path) -> None:
    build = write_build(tmp_path / "build", config={"context_window_size": 2048})
    message = refusal(engine_dir=str(build))
    assert "'max_model_len': 4096" in message
    assert "compiled for 2048" in message
    accepted(engine_dir=str(build), max_model_len=2048)
    accepted(engine_dir=str(write_build(tmp_path / "b", config={"context_window_size": -1})))


def test_another_models_build_is_refused(tmp_path: Path) -> None:
    build = write_build(tmp_path / "build", config={"vocab_size": 32000})
    message = refusal(engine_dir=str(build))
    assert "32000" in message
    assert "768" in message


def test_another_tokenizer_is_refused(build: Path) -> None:
    tokenizer = (MODEL / "tokenizer.json").read_text("utf-8")
    (build / "tokenizer.json").write_text(tokenizer)
    accepted(engine_dir=str(build))
    (build / "tokenizer.json").write_text(tokenizer.replace("<|pad|>", "<|other|>"))
    message = refusal(engine_dir=str(build))
    assert f"{build / 'tokenizer.json'} is not the tokenizer of the model" in message


def test_a_model_from_the_hub_is_checked_once_it_is_here(tmp_path: Path) -> None:
    build = write_build(tmp_path / "build", config={"vocab_size": 32000})
    accepted(engine_dir=str(build), model="some/model")
    opened = open_build(Settings(engine_dir=str(build)))
    with pytest.raises(StartError, match="32000"):
        check_model(opened, open_model(Settings(), MODEL))


def test_a_library_for_another_gpu_is_refused_with_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = {"engine": "mlc", "compute_capability": "8.0", "gpu": "NVIDIA A100"}
    build = write_build(tmp_path / "build", manifest=manifest)
    put_gpus(monkeypatch, "NVIDIA H100, 9.0")
    message = refusal(engine_dir=str(build))
    for word in ("8.0", "NVIDIA A100", "9.0", "NVIDIA H100", "lib.so"):
        assert word in message
    accepted(engine_dir=str(build), engine_args={"device": "vulkan"})


def test_a_library_for_this_gpu_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = write_build(tmp_path / "build", manifest={"compute_capability": "9.0"})
    put_gpus(monkeypatch, "NVIDIA H100, 9.0")
    accepted(engine_dir=str(build))


def test_a_library_for_a_gpu_needs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = write_build(tmp_path / "build", manifest={"compute_capability": "9.0"})
    put_gpus(monkeypatch)
    assert "needs a GPU of compute capability 9.0" in refusal(engine_dir=str(build))
