"""What a machine lacks is one line before the start: what was looked for, where, what brings it."""

import importlib.util
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common import machine
from common.engine import Engine
from common.errors import StartError
from common.machine import LOOKS, Need, check_machine, lacks
from common.models.gpu import detected_gpus
from common.settings import Settings
from services import __main__ as listing
from services._backends import load
from tests.conftest import BACKENDS
from tests.gpus import put_gpus

ENGINES = {backend: load(backend)[1] for backend in BACKENDS}
TWO_GPUS = Settings(tensor_parallel_size=2)
GIB = 2**30


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with a GPU and nothing else; returns the only folder on its PATH."""
    put_gpus(monkeypatch, "NVIDIA H100, 9.0, 81559")
    for name in ("CC", "CUDA_HOME", "CUDA_PATH", "LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    programs = tmp_path / "cuda" / "bin"
    programs.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(machine, "CUDA_ROOT", tmp_path / "no-cuda")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    return programs


def put(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o755)
    return file


def lack(need: Need, settings: Settings = TWO_GPUS) -> str | None:
    """The one line, None where nothing is missing."""
    line = next(iter(lacks([need], settings)), None)
    assert line is None or "\n" not in line
    return line


def test_a_c_compiler_and_python_s_header_are_looked_for(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"gcc and clang on PATH ({bare})" in str(lack(Need.C_COMPILER))
    assert "apt-get install gcc" in str(lack(Need.C_COMPILER))
    monkeypatch.setenv("CC", "no-such-cc")
    put(bare / "clang")
    assert "CC=no-such-cc" in str(lack(Need.C_COMPILER))
    monkeypatch.delenv("CC")
    header = tmp_path / "include" / "Python.h"
    assert f"looked for as {header}" in str(lack(Need.C_COMPILER))
    assert "apt-get install python3." in str(lack(Need.C_COMPILER))
    put(header)
    assert lack(Need.C_COMPILER) is None


def test_a_cuda_toolkit_is_looked_for_on_path_and_in_its_usual_place(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "torch_cuda", lambda: "13.0")
    assert f"nvcc, with which this engine compiles CUDA code, was looked for on PATH ({bare})" in (
        str(lack(Need.CUDA_TOOLKIT))
    )
    assert "cuda-toolkit-13-0" in str(lack(Need.CUDA_TOOLKIT))
    put(bare / "nvcc")
    assert f"libcudart.so, which compiled CUDA code is linked to, was looked for in {tmp_path}" in (
        str(lack(Need.CUDA_TOOLKIT))
    )
    put(tmp_path / "cuda" / "lib64" / "libcudart.so")
    assert f"ninja, with which this engine compiles CUDA code, was looked for on PATH ({bare})" in (
        str(lack(Need.CUDA_TOOLKIT))
    )
    put(bare / "ninja")
    assert lack(Need.CUDA_TOOLKIT) is None
    (bare / "nvcc").unlink()
    monkeypatch.setattr(machine, "CUDA_ROOT", tmp_path / "usual")
    put(tmp_path / "usual" / "bin" / "nvcc")
    monkeypatch.setenv("LIBRARY_PATH", str(tmp_path / "cuda" / "lib64"))
    assert lack(Need.CUDA_TOOLKIT) is None


def test_cuda_home_is_the_only_place_where_it_is_set(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (bare / "nvcc", bare / "ninja", tmp_path / "cuda" / "lib64" / "libcudart.so"):
        put(file)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "elsewhere"))
    assert f"in CUDA_HOME={tmp_path / 'elsewhere'} and" in str(lack(Need.CUDA_TOOLKIT))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    assert lack(Need.CUDA_TOOLKIT) is None


@pytest.mark.parametrize(
    ("torch", Need.DRIVER, "line"),
    [
        ("'13.0'", "12.8", "CUDA 13.0, and the driver 580.1 is for CUDA 12.8; install a driver of"),
        ("'14.1'", "13.2", "CUDA 14.1, and the driver 580.1 is for CUDA 13.2; install a driver,"),
        ("'13.2'", "13.0", None),
        ("'12.9'", "13.0", None),
        ("None", "12.8", None),
    ],
)
def test_the_driver_is_held_against_the_cuda_of_torch(
    bare: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    torch: str,
    driver: str,
    line: str | None,
) -> None:
    origin = put(tmp_path / "torch" / "__init__.py")
    origin.with_name("version.py").write_text(f"debug = False\ncuda: Optional[str] = {torch}\n")
    spec = SimpleNamespace(origin=str(origin))
    monkeypatch.setattr(importlib.util, "find_spec", {"torch": spec}.get)
    monkeypatch.setenv("DOUBLE_CUDA", driver)
    answer = lack(Need.DRIVER)
    assert answer is None if line is None else line in str(answer)
    if line is not None and torch == "'13.0'":
        assert "580.65.06 or newer" in str(answer)


def test_a_driver_that_does_not_say_its_cuda_still_has_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    double = put_gpus(monkeypatch, "NVIDIA H100, 9.0, 81559")

    def unknown() -> int:
        raise double.NVMLError("Function Not Found")

    monkeypatch.setattr(double, "nvmlSystemGetCudaDriverVersion_v2", unknown)
    assert len(detected_gpus()) == 1
    assert lack(Need.DRIVER) is None


def test_the_installed_torch_says_its_own_cuda() -> None:
    import torch

    assert machine.torch_cuda() == torch.version.cuda


def test_gpus_that_share_a_model_need_shared_memory(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size: Callable[[int], Any] = lambda total: lambda path: SimpleNamespace(total=total)  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", size(64 * 2**20))
    assert "has 64 MiB here; allowed is 256 MiB or more: docker run --shm-size=1g" in (
        str(lack(Need.SHARED_MEMORY))
    )
    assert lack(Need.SHARED_MEMORY, Settings()) is None
    monkeypatch.setattr(shutil, "disk_usage", size(GIB))
    assert lack(Need.SHARED_MEMORY) is None


def test_a_machine_without_a_gpu_is_asked_for_nothing_but_a_gpu(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lack(Need.GPU) is None
    put_gpus(monkeypatch)
    assert lacks(LOOKS.keys(), TWO_GPUS) == []
    assert "no NVIDIA GPU was found (no NVIDIA GPU: Driver Not Loaded)" in str(lack(Need.GPU))


def test_every_need_has_a_look() -> None:
    assert {*LOOKS, Need.GPU} == set(Need)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_check_before_the_start_refuses_what_its_engine_needs(
    backend: str, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ENGINES[backend]
    monkeypatch.setattr(engine, "package", None)
    monkeypatch.setattr(
        machine, "LOOKS", {need: lambda settings, need=need: need for need in LOOKS}
    )
    if not engine.needs:
        Engine.check_here.__func__(engine, TWO_GPUS)  # type: ignore[attr-defined]
        return
    for need in [need for need in engine.needs if need is not Need.GPU]:
        monkeypatch.setattr(engine, "needs", (need,))
        with pytest.raises(StartError, match=f"^{need}$"):
            Engine.check_here.__func__(engine, TWO_GPUS)  # type: ignore[attr-defined]


def test_needs_follow_the_settings() -> None:
    ray, lmdeploy = ENGINES["ray_serve"], ENGINES["lmdeploy"]
    assert ray.needed(Settings(engine_args={"ray_address": "auto"})) == ()
    assert Need.C_COMPILER not in lmdeploy.needed(Settings())
    assert Need.C_COMPILER in lmdeploy.needed(Settings(engine_args={"backend": "pytorch"}))


def test_the_first_lack_is_the_error(bare: Path) -> None:
    check_machine([], TWO_GPUS)
    with pytest.raises(StartError, match=r"^a C compiler"):
        check_machine([Need.C_COMPILER, Need.CUDA_TOOLKIT], TWO_GPUS)


def test_the_list_of_backends_says_what_is_missing(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "installed", lambda engine: engine.name == "sglang")
    listing.main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:24] for line in lines if line.startswith("sglang: ")] == [
        "sglang: a C compiler, wi",
        "sglang: nvcc, with which",
    ]
