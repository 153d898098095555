"""Weights that lie on disk: one file, many with an index, and what can be wrong with them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import StartError
from common.models.facts import facts_of_directory
from common.models.headers import INDEX, read_directory
from common.text.tokenizer import Tokenizer
from tests.model_directories import demo_copy
from tests.models.configs import family
from tests.models.files import write_header, write_model

ONE = {"model.norm.weight": ("BF16", (128,))}
TWO = {"lm_head.weight": ("BF16", (320, 128))}


def write_index(folder: Path, total: int = 0) -> None:
    files = {"model.norm.weight": "a.safetensors", "lm_head.weight": "b.safetensors"}
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": files})
    (folder / INDEX).write_text(text)


def test_a_directory_with_only_a_config_has_no_tensors(tmp_path: Path) -> None:
    folder = write_model(tmp_path, family("llama"))
    assert read_directory(folder) is None
    assert facts_of_directory(folder).file_bytes == facts_of_directory(folder).plain_bytes(
        "float32"
    )


def test_the_files_of_an_index_are_read_and_no_others(tmp_path: Path) -> None:
    write_index(tmp_path)
    write_header(tmp_path / "a.safetensors", ONE)
    write_header(tmp_path / "b.safetensors", TWO)
    write_header(tmp_path / "consolidated.safetensors", ONE)
    found = read_directory(tmp_path)
    assert found is not None
    assert [tensor.name for tensor in found] == ["model.norm.weight", "lm_head.weight"]


def test_an_index_alone_tells_the_size(tmp_path: Path) -> None:
    folder = write_model(tmp_path, family("llama") | {"model_type": "unheard_of"})
    write_index(folder, total=123456)
    assert facts_of_directory(folder).file_bytes == 123456


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    write_index(tmp_path)
    write_header(tmp_path / "a.safetensors", ONE)
    with pytest.raises(StartError, match=r"names b\.safetensors, which is not there"):
        read_directory(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\1\0\0", b"\xff" * 20, b"\2\0\0\0\0\0\0\0[]", b'\x0b\0\0\0\0\0\0\0{"a": "b"} '],
)
def test_a_broken_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(StartError, match=r"model\.safetensors is no safetensors file") as refused:
        read_directory(tmp_path)
    assert "\n" not in str(refused.value)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4976698672\n"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("model.safetensors", facts_of_directory),
        ("config.json", facts_of_directory),
        ("tokenizer.json", Tokenizer),
        ("tokenizer_config.json", Tokenizer),
    ],
)
def test_a_pointer_of_git_is_named_as_such(
    tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    folder = demo_copy(tmp_path / "demo")
    (folder / name).write_bytes(POINTER)
    with pytest.raises(StartError, match=rf"{name} is a Git LFS pointer: run git lfs pull"):
        read(folder)


def test_a_directory_without_a_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"has no config\.json"):
        facts_of_directory(tmp_path)
