"""The NVIDIA GPUs that this process may use, by the library of their driver, NVML."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from common.errors import StartError


class GPU(NamedTuple):
    """One GPU. `memory` is all that it has, in bytes; None for one that shares the machine's."""

    name: str
    memory: int | None
    compute_capability: str


class NVML:
    """The GPUs that CUDA_VISIBLE_DEVICES names, or all; none where `unavailable` says why.

    `handles` are NVML's, each with the GPU's name in that variable, else its index. `library` is
    the module pynvml, of the package nvidia-ml-py, which bentoml requires.
    """

    library: Any = None
    driver: str | None = None
    cuda: tuple[int, int] | None = None
    """The newest release of CUDA that the driver runs, None where it does not say."""
    unavailable: str | None = None

    def __init__(self) -> None:
        self.handles: list[tuple[str, Any]] = []
        try:
            import pynvml  # type: ignore[import-untyped]
        except ImportError:
            self.unavailable = "nvidia-ml-py is not installed"
            return
        self.library = pynvml
        try:
            pynvml.nvmlInit()
            self.driver = str(pynvml.nvmlSystemGetDriverVersion())
            with suppress(pynvml.NVMLError):
                # 13020 is 13.2.
                major, minor = divmod(pynvml.nvmlSystemGetCudaDriverVersion_v2(), 1000)
                self.cuda = (major, minor // 10)
            self.handles = list(self._visible(os.environ.get("CUDA_VISIBLE_DEVICES")))
        except pynvml.NVMLError as error:
            self.unavailable = f"no NVIDIA GPU: {error}"

    def _visible(self, devices: str | None) -> Iterator[tuple[str, Any]]:
        if devices is None:
            for index in range(self.library.nvmlDeviceGetCount()):
                yield str(index), self.library.nvmlDeviceGetHandleByIndex(index)
            return
        for part in filter(None, map(str.strip, devices.split(","))):
            if part == "-1":  # CUDA sees none from here on
                return
            if part.isdecimal():
                yield part, self.library.nvmlDeviceGetHandleByIndex(int(part))
            else:
                yield part, self.library.nvmlDeviceGetHandleByUUID(part)


def detected_gpus() -> list[GPU]:
    """Returns none where there is none, or none that can be asked."""
    return _gpus()[0]


def visible_gpus(made_for: str) -> list[GPU]:
    """Returns the GPUs. Raises StartError where there is none; `made_for` says what was looked
    for."""
    gpus, reason = _gpus()
    if not gpus:
        raise StartError(
            f"setting 'engine_dir': its engine needs a GPU of {made_for}, and there is none here "
            f"({reason})"
        )
    return gpus


def _gpus() -> tuple[list[GPU], str]:
    """Returns the GPUs, and the reason where there is none."""
    nvml = NVML()
    try:
        gpus = [_gpu(nvml.library, handle) for _, handle in nvml.handles]
    except nvml.library.NVMLError as error:
        return [], str(error)
    return gpus, nvml.unavailable or "CUDA_VISIBLE_DEVICES hides all"


def _gpu(library: Any, handle: Any) -> GPU:
    try:
        memory = int(library.nvmlDeviceGetMemoryInfo(handle).total)
    except library.NVMLError:
        memory = None
    major, minor = library.nvmlDeviceGetCudaComputeCapability(handle)
    return GPU(str(library.nvmlDeviceGetName(handle)), memory, f"{major}.{minor}")
