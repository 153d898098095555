"""The NVIDIA GPUs of this machine, read from their driver through NVML."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from benchmarks.machine_metrics.recorder import Reading, SeriesKey

MILLI = 1e-3


class GPUMemory(NamedTuple):
    """The memory of one GPU, in bytes."""

    gpu: str
    used: int
    total: int


class GPUs:
    """The GPUs that CUDA_VISIBLE_DEVICES names, or all; none where `unavailable` says why.

    A value that a GPU does not report, as a slice of one does not report its power, is absent.
    """

    def __init__(self) -> None:
        self._handles: list[tuple[str, Any]] = []
        self.unavailable: str | None = None
        self.driver: str | None = None
        try:
            import pynvml  # type: ignore[import-untyped]
        except ImportError:
            self.unavailable = "nvidia-ml-py is not installed"
            return
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self.driver = str(pynvml.nvmlSystemGetDriverVersion())
            self._handles = list(self._visible(os.environ.get("CUDA_VISIBLE_DEVICES")))
        except pynvml.NVMLError as error:
            self.unavailable = f"no NVIDIA GPU: {error}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(self._nvml.nvmlDeviceGetName(handle)) for _, handle in self._handles)

    def memory(self) -> tuple[GPUMemory, ...]:
        memories = []
        for gpu, handle in self._handles:
            with suppress(self._nvml.NVMLError):
                memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
                memories.append(GPUMemory(gpu, int(memory.used), int(memory.total)))
        return tuple(memories)

    def read(self) -> list[Reading]:
        """Returns the readings of each GPU.

        `utilization` is the ratio of the time in which a kernel ran, by the driver's own sampling;
        `energy` is what the GPU has used since the driver was loaded.
        """
        return [
            (SeriesKey("gpu", name, unit, (("gpu", gpu),)), value)
            for gpu, handle in self._handles
            for name, unit, value in self._values(handle)
        ]

    def _values(self, handle: Any) -> Iterator[tuple[str, str, float]]:
        nvml = self._nvml
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

    def _visible(self, devices: str | None) -> Iterator[tuple[str, Any]]:
        nvml = self._nvml
        if devices is None:
            for index in range(nvml.nvmlDeviceGetCount()):
                yield str(index), nvml.nvmlDeviceGetHandleByIndex(index)
            return
        for part in filter(None, map(str.strip, devices.split(","))):
            if part == "-1":  # CUDA sees none from here on
                return
            if part.isdecimal():
                yield part, nvml.nvmlDeviceGetHandleByIndex(int(part))
            else:
                yield part, nvml.nvmlDeviceGetHandleByUUID(part)
