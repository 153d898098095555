"""GPUs that are named or found, and the CPU."""

from pathlib import Path

import pytest

from common.models.gpu import detected_gpus
from common.plan import devices
from common.plan.devices import (
    cpu_device,
    cpu_memory,
    detected_device,
    known_gpus,
    named_device,
)
from common.plan.errors import Refused

GIB = 2**30


def smi(folder: Path, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of nvidia-smi, which answers what it was asked only."""
    program = folder / "nvidia-smi"
    asked = "--query-gpu=memory.total,compute_cap,name --format=csv,noheader,nounits"
    program.write_text(f'#!/bin/sh\n[ "$1 $2" = "{asked}" ] || exit 2\nprintf "{lines}"\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_gpu_is_known_by_its_short_name() -> None:
    found = named_device("A100-80GB")
    assert (found.memory, found.compute_capability) == (80 * GIB, 8.0)
    assert named_device("rtx_4090").compute_capability == 8.9
    assert named_device("l4").count is None


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Refused, match=r"'h10' is known \(did you mean 'h100'\?\); allowed are cpu"):
        named_device("h10")


def test_every_gpu_has_a_source_and_names_that_lead_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gpu in known_gpus().values():
        assert len(gpu.source) > 10
        for name in gpu.names:
            smi(tmp_path, f"{gpu.mib}, {gpu.compute_capability}, {name}\\n", monkeypatch)
            found = detected_device()
            assert found is not None
            assert (found.name, found.memory) == (gpu.name, gpu.mib * 2**20)


def test_of_several_gpus_the_smallest_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(tmp_path, "81559, 9.0, NVIDIA H100 80GB HBM3\\n23034, 8.9, NVIDIA L4\\n", monkeypatch)
    found = detected_device()
    assert found is not None
    assert (found.name, found.count, found.compute_capability) == ("l4", 2, 8.9)


def test_a_gpu_that_is_in_no_list_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(tmp_path, "1000, 11.5, NVIDIA X1000\\n", monkeypatch)
    found = detected_device()
    assert found is not None
    assert (found.name, found.memory) == ("NVIDIA X1000", 1000 * 2**20)


@pytest.mark.parametrize("lines", ["", "[N/A], 8.0, NVIDIA GB10\\n", "8.0, Double GPU\\n"])
def test_what_cannot_be_understood_is_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str
) -> None:
    smi(tmp_path, lines, monkeypatch)
    assert detected_device() is None


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_gpus_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    smi(tmp_path, "23034, 8.9, NVIDIA L4\\n", monkeypatch)
    assert len(detected_gpus()) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert detected_gpus() == []


def test_the_cpus_memory_is_what_the_container_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = cpu_memory()
    assert whole > 0
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(devices, "CGROUP_LIMITS", (str(tmp_path / "none"), str(limit)))
    limit.write_text("max\n")
    unlimited = cpu_memory()
    assert unlimited >= whole
    limit.write_text(f"{GIB // 2}\n")
    assert cpu_memory() == cpu_device().memory == GIB // 2
    limit.write_text(f"{2**62}\n")
    assert cpu_memory() == unlimited
