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
from tests.gpus import put_gpus

GIB = 2**30


def test_a_gpu_is_known_by_its_short_name() -> None:
    found = named_device("A100-80GB")
    assert (found.memory, found.compute_capability) == (80 * GIB, 8.0)
    assert named_device("rtx_4090").compute_capability == 8.9
    assert named_device("l4").count is None


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Refused, match=r"'h10' is known \(did you mean 'h100'\?\); allowed are cpu"):
        named_device("h10")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("h100-80gb", "h100"),
        ("h200-141gb", "h200"),
        ("b200-192gb", "b200"),
        ("rtx-4090-24gb", "rtx-4090"),
        ("v100-16", "v100-16gb"),
    ],
)
def test_a_gpu_is_suggested_of_the_family_that_was_named(name: str, meant: str) -> None:
    with pytest.raises(Refused, match=rf"did you mean '{meant}'"):
        named_device(name)


def test_every_gpu_has_a_source_and_names_that_lead_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for gpu in known_gpus().values():
        assert len(gpu.source) > 10
        for name in gpu.names:
            put_gpus(monkeypatch, f"{name}, {gpu.compute_capability}, {gpu.mib}")
            found = detected_device()
            assert found is not None
            assert (found.name, found.memory) == (gpu.name, gpu.mib * 2**20)


def test_of_several_gpus_the_smallest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    put_gpus(monkeypatch, "NVIDIA H100 80GB HBM3, 9.0, 81559", "NVIDIA L4, 8.9, 23034")
    found = detected_device()
    assert found is not None
    assert (found.name, found.count, found.compute_capability) == ("l4", 2, 8.9)


def test_a_gpu_that_is_in_no_list_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    put_gpus(monkeypatch, "NVIDIA X1000, 11.5, 1000")
    found = detected_device()
    assert found is not None
    assert (found.name, found.memory) == ("NVIDIA X1000", 1000 * 2**20)


@pytest.mark.parametrize("gpus", [(), ("NVIDIA GB10, 12.1",)])
def test_a_gpu_without_memory_of_its_own_is_not_planned_for(
    monkeypatch: pytest.MonkeyPatch, gpus: tuple[str, ...]
) -> None:
    put_gpus(monkeypatch, *gpus)
    assert detected_device() is None


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_gpus_are_not_there(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    put_gpus(monkeypatch, "NVIDIA L4, 8.9, 23034")
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
