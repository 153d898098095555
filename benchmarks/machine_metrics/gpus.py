"""What the NVIDIA GPUs of this machine report."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from benchmarks.machine_metrics.recorder import Reading, SeriesKey
from common.models.gpu import NVML

MILLI = 1e-3


class GPUMemory(NamedTuple):
    """The memory of one GPU, in bytes."""

    gpu: str
    used: int
    total: int


class GPUs(NVML):
    """The GPUs that this process may use, and what each reports.

    A value that a GPU does not report, as a slice of one does not report its power, is absent.
    """

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(self.library.nvmlDeviceGetName(handle)) for _, handle in self.handles)

    def memory(self) -> tuple[GPUMemory, ...]:
        memories = []
        for gpu, handle in self.handles:
            with suppress(self.library.NVMLError):
                memory = self.library.nvmlDeviceGetMemoryInfo(handle)
                memories.append(GPUMemory(gpu, int(memory.used), int(memory.total)))
        return tuple(memories)

    def read(self) -> list[Reading]:
        """Returns the readings of each GPU.

        `utilization` is the ratio of the time in which a kernel ran, by the driver's own sampling;
        `energy` is what the GPU has used since the driver was loaded.
        """
        return [
            (SeriesKey("gpu", name, unit, (("gpu", gpu),)), value)
            for gpu, handle in self.handles
            for name, unit, value in self._values(handle)
        ]

    def _values(self, handle: Any) -> Iterator[tuple[str, str, float]]:
        nvml = self.library
        queries: list[tuple[str, str, Callable[[], float]]] = [
            ("utilization", "ratio", lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
            ("memory", "bytes", lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used),
            ("power", "watts", lambda: nvml.nvmlDeviceGetPowerUsage(handle) * MILLI),
            (
                "energy",
                "joules",
                lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) * MILLI,
            ),
        ]
        for name, unit, query in queries:
            with suppress(nvml.NVMLError):
                yield name, unit, float(query())
