"""The NVIDIA GPUs of this machine, as their driver tells."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from benchmarks.machine_metrics.recorder import Key, Reading

MILLI = 1e-3


class Memory(NamedTuple):
    """Of one GPU, in bytes."""

    gpu: str
    used: int
    total: int


class GPUs:
    """Those that CUDA_VISIBLE_DEVICES leaves, or all. Empty without a driver; `why` then says so.

    A value that a GPU does not tell, as a slice of one does not tell its power, is absent.
    """

    def __init__(self) -> None:
        self._handles: list[tuple[str, Any]] = []
        self.why: str | None = None
        self.driver: str | None = None
        try:
            import pynvml  # type: ignore[import-untyped]
        except ImportError:
            self.why = "nvidia-ml-py is not installed"
            return
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self.driver = str(pynvml.nvmlSystemGetDriverVersion())
            self._handles = list(self._visible(os.environ.get("CUDA_VISIBLE_DEVICES")))
        except pynvml.NVMLError as error:
            self.why = f"no NVIDIA GPU: {error}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(self._nvml.nvmlDeviceGetName(handle)) for _, handle in self._handles)

    def memory(self) -> tuple[Memory, ...]:
        found = []
        for gpu, handle in self._handles:
            with suppress(self._nvml.NVMLError):
                memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
                found.append(Memory(gpu, int(memory.used), int(memory.total)))
        return tuple(found)

    def read(self) -> list[Reading]:
        """`utilization` is the ratio of the time in which a kernel ran, by the driver's own
        sampling; `energy` is what the GPU has used since the driver was loaded."""
        return [
            (Key("gpu", name, unit, (("gpu", gpu),)), value)
            for gpu, handle in self._handles
            for name, unit, value in self._values(handle)
        ]

    def _values(self, handle: Any) -> Iterator[tuple[str, str, float]]:
        nvml = self._nvml
        asked: list[tuple[str, str, Callable[[], float]]] = [
            ("utilization", "ratio", lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
            ("memory", "bytes", lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used),
            ("power", "watts", lambda: nvml.nvmlDeviceGetPowerUsage(handle) * MILLI),
            (
                "energy",
                "joules",
                lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) * MILLI,
            ),
        ]
        for name, unit, ask in asked:
            with suppress(nvml.NVMLError):
                yield name, unit, float(ask())

    def _visible(self, wanted: str | None) -> Iterator[tuple[str, Any]]:
        nvml = self._nvml
        if wanted is None:
            for index in range(nvml.nvmlDeviceGetCount()):
                yield str(index), nvml.nvmlDeviceGetHandleByIndex(index)
            return
        for part in filter(None, map(str.strip, wanted.split(","))):
            if part == "-1":  # CUDA sees none from here on
                return
            if part.isdecimal():
                yield part, nvml.nvmlDeviceGetHandleByIndex(int(part))
            else:
                yield part, nvml.nvmlDeviceGetHandleByUUID(part)
