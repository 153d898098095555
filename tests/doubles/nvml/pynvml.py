"""Stands in for nvidia-ml-py, with the GPUs that DOUBLE_GPUS names; none without it.

Its driver runs CUDA 13.0, or the release in DOUBLE_CUDA.

Each is `NAME, COMPUTE CAPABILITY, MIB`, the next one after a semicolon. A slice, whose name has
MIG in it, does not tell its power; one without MIB does not tell its memory.
"""

# ruff: noqa: N801, N802 (the names are NVIDIA's)

import os
from typing import NamedTuple

MIB = 2**20
USED = [3 * 2**30, 2**30]
"""Bytes; a test changes it."""


class NVMLError(Exception):
    pass


class NVMLError_LibraryNotFound(NVMLError):
    pass


class NVMLError_DriverNotLoaded(NVMLError):
    pass


class Memory(NamedTuple):
    total: int
    free: int
    used: int


class _GPU(NamedTuple):
    name: str
    capability: str
    mib: str = ""


class Utilization(NamedTuple):
    gpu: int
    memory: int


def _gpus() -> list[_GPU]:
    texts = filter(None, map(str.strip, os.environ.get("DOUBLE_GPUS", "").split(";")))
    return [_GPU(*map(str.strip, text.split(","))) for text in texts]


def nvmlInit() -> None:
    if not _gpus():
        raise NVMLError_DriverNotLoaded("Driver Not Loaded")


def nvmlShutdown() -> None:
    """BentoML calls it after each question of its own."""


def nvmlSystemGetDriverVersion() -> str:
    return "580.1"


def nvmlSystemGetCudaDriverVersion_v2() -> int:
    """13000 is 13.0."""
    major, _, minor = os.environ.get("DOUBLE_CUDA", "13.0").partition(".")
    return int(major) * 1000 + int(minor) * 10


def nvmlDeviceGetCount() -> int:
    return len(_gpus())


def nvmlDeviceGetHandleByIndex(index: int) -> int:
    if index >= len(_gpus()):
        raise NVMLError("Invalid Argument")
    return index


def nvmlDeviceGetHandleByUUID(uuid: str) -> int:
    """The UUID of the second is MIG-1."""
    return int(uuid.rpartition("-")[2])


def nvmlDeviceGetName(handle: int) -> str:
    return _gpus()[handle].name


def nvmlDeviceGetCudaComputeCapability(handle: int) -> list[int]:
    return [int(part) for part in _gpus()[handle].capability.split(".")]


def nvmlDeviceGetMemoryInfo(handle: int, version: int | None = None) -> Memory:
    total = int(_told(_gpus()[handle].mib)) * MIB
    return Memory(total, total - USED[handle], USED[handle])


def nvmlDeviceGetUtilizationRates(handle: int) -> Utilization:
    return Utilization(75, 20)


def nvmlDeviceGetPowerUsage(handle: int) -> int:
    return int(_told("" if "MIG" in _gpus()[handle].name else "250000"))


def nvmlDeviceGetTotalEnergyConsumption(handle: int) -> int:
    return int(_told("" if "MIG" in _gpus()[handle].name else "5000000"))


def _told(value: str) -> str:
    if not value:
        raise NVMLError("Not Supported")
    return value
