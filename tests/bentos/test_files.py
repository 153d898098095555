"""The files in bentos/ agree with the table, the engine classes and the project."""

import dataclasses
import re
import subprocess
import tomllib

import pytest
import yaml

from build_scripts.bentos import files, requirements
from build_scripts.bentos.__main__ import main
from build_scripts.bentos.table import ROOT, TABLE, Bento, bento, is_variant
from services._backends import backends
from services._triton.server import IMAGE
from tests.bentos.conftest import BENTOS
from tests.service_process import REPOSITORY

DATA = {".md", ".sh", ".toml", ".txt", ".yaml"}
KUBERNETES_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def test_the_files_are_those_that_would_be_made(bento: Bento) -> None:
    assert files.disagreements(bento) == []


def test_the_default_bento_is_that_of_vllm() -> None:
    root = yaml.safe_load((REPOSITORY / "bentofile.yaml").read_text("utf-8"))
    own = yaml.safe_load((REPOSITORY / "bentos" / "vllm" / "bentofile.yaml").read_text("utf-8"))
    assert root == own


def test_bentos_hold_data_only() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "bentos"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    suffixes = {name[name.rindex(".") :] for name in listed.stdout.splitlines()}
    assert suffixes <= DATA


def test_the_table_names_backends_only() -> None:
    assert set(tomllib.loads(TABLE.read_text("utf-8"))) <= set(backends())


def test_only_what_is_no_field_is_a_variant() -> None:
    assert is_variant("cpu", {"lock": "vllm"})
    assert not is_variant("env", {"NAME": "value"})
    assert not is_variant("python", "3.12")


def test_names_can_be_those_of_images_and_deployments() -> None:
    names = [each.name for each in BENTOS]
    assert len(set(names)) == len(names)
    assert all(KUBERNETES_NAME.fullmatch(name) for name in names)


def test_an_image_has_the_version_that_the_adapter_is_written_for(bento: Bento) -> None:
    if bento.packaging.image is not None:
        assert f":{bento.release}" in bento.image


def test_the_image_of_triton_is_the_one_that_its_messages_name() -> None:
    assert bento("triton").image == IMAGE


@pytest.mark.parametrize(
    ("pattern", "by", "message"),
    [
        (r"orjson==.*\n", "", "orjson>=3.11 is missing"),
        (r"orjson==(.*)\n", r"orjson>=\1\n", "orjson.* is not pinned"),
        (r"orjson==.*\n", "orjson==3.0\n", "orjson==3.0 is not orjson>=3.11"),
        (r"idna==.*\n", "idna==1.0\n", "idna==1.0 was tested as .*"),
        (r"\A", "bentoml==1.4.40\n", "bentoml is added by `bentoml build`"),
    ],
)
def test_requirements_that_disagree_are_told(pattern: str, by: str, message: str) -> None:
    text = (ROOT / bento("echo").file("requirements.txt")).read_text("utf-8")
    lines = requirements.disagreements(bento("echo"), re.sub(pattern, by, text, count=1))
    assert lines
    assert re.fullmatch(message, lines[0])


def test_packages_above_an_image_s_own_suit_it() -> None:
    packaging = dataclasses.replace(bento("tensorrt_llm").packaging, limits=["numpy<1"])
    changed = dataclasses.replace(bento("tensorrt_llm"), packaging=packaging)
    text = (ROOT / changed.file("requirements.txt")).read_text("utf-8")
    assert any("numpy<1" in line for line in requirements.disagreements(changed, text))


def test_no_library_of_nvidia_is_there_for_two_releases_of_cuda(bento: Bento) -> None:
    """Both would install it in the same place; of CUTLASS one package asks for both itself."""
    text = (ROOT / bento.file("requirements.txt")).read_text("utf-8")
    libraries = re.findall(r"^(nvidia-(?!cutlass)[\w-]+?)(?:-cu\d+)?==", text, re.MULTILINE)
    assert len(libraries) == len(set(libraries))


def test_lmdeploy_has_the_cuda_that_turbomind_is_compiled_for() -> None:
    """`readelf -d _turbomind*.so` names libcudart.so.12 and libcublas.so.12."""
    text = (ROOT / bento("lmdeploy").file("requirements.txt")).read_text("utf-8")
    assert set(re.findall(r"^nvidia-.*-(cu\d+)==", text, re.MULTILINE)) == {"cu12"}
    assert "cuda-toolkit" not in text


def test_what_was_tested_is_locked_in_the_same_way_again() -> None:
    for found in (bento("echo"), bento("tgi")):
        text = (ROOT / found.file("requirements.txt")).read_text("utf-8")
        assert requirements.locked(found) == text


def test_the_command_prints_the_table_and_fails_when_files_disagree(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["echo", "vllm"]) == 0
    assert "llm-vllm-cpu" in capsys.readouterr().out
    monkeypatch.setattr(files, "setup_script", lambda bento: "another\n")
    assert main(["echo"]) == 1
    assert capsys.readouterr().err == "error: bentos/echo/setup.sh is not what --write makes\n"
    assert main(["nothing"]) == 1
    assert capsys.readouterr().err.startswith("error: no backend 'nothing'; there are: echo, ")
