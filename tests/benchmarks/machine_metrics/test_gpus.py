"""GPUs, through a double of nvidia-ml-py whose functions are those of the real one."""

import inspect
import sys
from types import ModuleType

import pytest

from benchmarks.environment import environment
from benchmarks.machine_metrics.gpus import GPUs
from benchmarks.study import leftovers
from tests.gpus import nvml_double, put_gpus

GIB = 2**30
NAMES = ("NVIDIA A100 80GB PCIe", "NVIDIA A100 80GB PCIe MIG 3g.40gb")


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return put_gpus(monkeypatch, *(f"{name}, 8.0, 81920" for name in NAMES))


def test_the_double_has_the_real_packages_functions_and_parameters() -> None:
    import pynvml  # type: ignore[import-untyped]

    assert issubclass(pynvml.NVMLError, Exception)
    functions = {n: f for n, f in vars(nvml_double()).items() if n.startswith("nvml")}
    assert functions
    for name, function in functions.items():
        ours, real = inspect.signature(function), inspect.signature(getattr(pynvml, name))
        assert list(ours.parameters) == list(real.parameters), name
    memory = dict(pynvml.c_nvmlMemory_t._fields_)
    assert {*memory} >= {"total", "used"}
    assert "gpu" in dict(pynvml.c_nvmlUtilization_t._fields_)


def test_what_a_gpu_reports_is_in_the_units_of_the_schema(nvml: ModuleType) -> None:
    values = {(dict(key.labels)["gpu"], key.name, key.unit): value for key, value in GPUs().read()}
    assert values == {
        ("0", "utilization", "ratio"): 0.75,
        ("0", "memory", "bytes"): 3 * GIB,
        ("0", "power", "watts"): 250,
        ("0", "energy", "joules"): 5000,
        ("1", "utilization", "ratio"): 0.75,
        ("1", "memory", "bytes"): GIB,
    }


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [("1", ["1"]), ("MIG-1", ["MIG-1"]), ("1,0", ["1", "0"]), ("0,-1,1", ["0"]), ("", [])],
)
def test_only_the_visible_ones_are_read(
    nvml: ModuleType, monkeypatch: pytest.MonkeyPatch, visible: str, gpus: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [memory.gpu for memory in GPUs().memory()] == gpus


def test_an_environment_names_its_gpus_and_driver(nvml: ModuleType) -> None:
    described = environment()
    assert described.gpus == NAMES
    assert described.driver == "580.1"


def test_without_a_gpu_there_are_no_values_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    gpus = GPUs()
    assert gpus.read() == []
    assert gpus.memory() == ()
    assert gpus.unavailable == "nvidia-ml-py is not installed"


def test_a_driver_that_is_not_there_is_no_gpu(
    nvml: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise nvml.NVMLError("NVML Shared Library Not Found")

    monkeypatch.setattr(nvml, "nvmlInit", missing)
    gpus = GPUs()
    assert (gpus.read(), gpus.names, gpus.driver) == ([], (), None)
    assert gpus.unavailable == "no NVIDIA GPU: NVML Shared Library Not Found"


def test_gpu_memory_that_does_not_come_back_is_reported(
    nvml: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "GPU_TIMEOUT", 0.0)
    before = leftovers.gpu_memory()
    assert leftovers.left("no such mark", 0, before) == ()
    nvml.USED[0] += 2 * GIB
    sentence = "GPU 0 has 2.0 GiB more in use than before the start"
    assert leftovers.left("no such mark", 0, before) == (sentence,)
