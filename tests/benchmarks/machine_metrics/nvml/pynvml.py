"""Stands in for nvidia-ml-py: two GPUs, of which the second, a slice, does not tell its power."""

# ruff: noqa: N802 (the names are NVIDIA's)

from typing import NamedTuple

NAMES = ("NVIDIA A100 80GB PCIe", "NVIDIA A100 80GB PCIe MIG 3g.40gb")
UUIDS = ("GPU-0a", "MIG-0b")
USED = [3 * 2**30, 2**30]
"""Bytes; a test changes it."""


class NVMLError(Exception):
    pass


class Memory(NamedTuple):
    total: int
    free: int
    used: int


class Utilization(NamedTuple):
    gpu: int
    memory: int


def nvmlInit() -> None:
    pass


def nvmlSystemGetDriverVersion() -> str:
    return "580.1"


def nvmlDeviceGetCount() -> int:
    return len(NAMES)


def nvmlDeviceGetHandleByIndex(index: int) -> int:
    if index >= len(NAMES):
        raise NVMLError("Invalid Argument")
    return index


def nvmlDeviceGetHandleByUUID(uuid: str) -> int:
    return UUIDS.index(uuid)


def nvmlDeviceGetName(handle: int) -> str:
    return NAMES[handle]


def nvmlDeviceGetMemoryInfo(handle: int, version: int | None = None) -> Memory:
    return Memory(80 * 2**30, 80 * 2**30 - USED[handle], USED[handle])


def nvmlDeviceGetUtilizationRates(handle: int) -> Utilization:
    return Utilization(75, 20)


def nvmlDeviceGetPowerUsage(handle: int) -> int:
    if handle:
        raise NVMLError("Not Supported")
    return 250_000


def nvmlDeviceGetTotalEnergyConsumption(handle: int) -> int:
    if handle:
        raise NVMLError("Not Supported")
    return 5_000_000
