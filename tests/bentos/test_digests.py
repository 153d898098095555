"""Base images are pinned by digests that a registry gives, and a pin is of the image it is for."""

import dataclasses
from pathlib import Path

import pytest

from build_scripts.bentos import bentofile, digests
from build_scripts.bentos.table import Bento, bento
from build_scripts.builder.errors import BuildError
from common.errors import StartError

DIGEST = "sha256:" + "0a" * 32


def with_pin(backend: str, pinned: str) -> Bento:
    plain = bento(backend)
    return dataclasses.replace(plain, packaging=dataclasses.replace(plain.packaging, pinned=pinned))


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that answers as Docker does, with what stands in the file `answer` beside it."""
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\ncat {tmp_path}/answer\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_each_image_is_asked_for_once_and_its_digest_can_be_written_down(docker: Path) -> None:
    (docker / "answer").write_text(f"{DIGEST}\n")
    text = digests.pins([bento("echo"), bento("transformers"), bento("tgi")])
    assert text.splitlines()[:2] == ["[echo]", f'pinned = "python:3.11-slim@{DIGEST}"']
    asked = (docker / "asked").read_text().splitlines()
    assert [line.rpartition(" ")[2] for line in asked] == ["python:3.11-slim", bento("tgi").image]


def test_what_is_no_digest_is_not_written_down(docker: Path) -> None:
    (docker / "answer").write_text("latest\n")
    with pytest.raises(BuildError, match=r"no digest of python:3\.11-slim: latest"):
        digests.pins([bento("echo")])


def test_without_docker_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BuildError, match="docker is missing"):
        digests.pins([bento("echo")])


def test_a_pinned_image_is_built_on() -> None:
    pinned = with_pin("echo", f"python:3.11-slim@{DIGEST}")
    assert bentofile.options(pinned)["docker"]["base_image"] == f"python:3.11-slim@{DIGEST}"
    assert "base_image" not in bentofile.options(bento("echo"))["docker"]


def test_a_pin_of_another_release_is_refused() -> None:
    with pytest.raises(StartError, match=r"run: python -m build_scripts\.bentos --digests"):
        bentofile.options(with_pin("echo", f"python:3.10-slim@{DIGEST}"))
