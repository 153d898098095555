"""The devices that a model may run on: GPUs that are here or that are named, or the CPU."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from common.messages import nearest
from common.models.gpu import GPU, detected_gpus
from common.plan.errors import Refused

FILE = Path(__file__).with_name("gpus.toml")
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
CPU = "cpu"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Device:
    """One kind of memory: of each GPU, or of the machine.

    `memory` is in bytes, None where it is not known; so is `compute_capability` for anything but
    an NVIDIA GPU. `count` is None for a GPU that was only named, and so is `host_memory`, that of
    the machine beside its GPUs.
    """

    name: str
    kind: Literal["gpu", "cpu", "unknown"]
    memory: int | None = None
    compute_capability: float | None = None
    count: int | None = None
    host_memory: int | None = None


@dataclass(frozen=True, slots=True)
class KnownGPU:
    """A row of gpus.toml, which says what each field means."""

    name: str
    names: Sequence[str]
    mib: int
    compute_capability: float
    source: str


@cache
def known_gpus() -> dict[str, KnownGPU]:
    """Returns the rows of gpus.toml by name."""
    rows = tomllib.loads(FILE.read_text("utf-8"))["gpu"]
    return {row["name"]: KnownGPU(names=row.pop("is"), **row) for row in rows}


def named_device(name: str) -> Device:
    """Returns the CPU of this machine, or a GPU of gpus.toml. Raises Refused for another name."""
    key = name.lower().replace("_", "-").replace(" ", "-")
    if key == CPU:
        return cpu_device()
    gpu = known_gpus().get(key)
    if gpu is None:
        family = [name for name in known_gpus() if name.split("-")[0] == key.split("-")[0]]
        hint = nearest(key, family or known_gpus(), 0.5)
        raise Refused(
            f"no GPU {name!r} is known{hint}; allowed are {CPU}, {', '.join(known_gpus())}"
        )
    return Device(gpu.name, "gpu", gpu.mib * MIB, gpu.compute_capability)


def detected_device() -> Device | None:
    """Returns the NVIDIA GPUs that this process may use, None where there are none with memory of
    their own."""
    gpus = detected_gpus()
    memories = [gpu.memory for gpu in gpus if gpu.memory is not None]
    if not gpus or len(memories) < len(gpus):
        return None
    smallest = gpus[memories.index(min(memories))]
    capability = min(float(gpu.compute_capability) for gpu in gpus)
    return Device(short_name(smallest), "gpu", smallest.memory, capability, len(gpus), cpu_memory())


def short_name(gpu: GPU) -> str:
    """Returns the name in gpus.toml, else the driver's."""
    matches = [
        (len(start), known.name)
        for known in known_gpus().values()
        for start in known.names
        if gpu.name.startswith(start)
    ]
    return max(matches)[1] if matches else gpu.name


def cpu_device() -> Device:
    return Device(CPU, "cpu", cpu_memory(), count=1)


def cpu_memory() -> int:
    """Returns the bytes that this process may use: of its container or of the machine."""
    import psutil

    memory = int(psutil.virtual_memory().total)
    for file in CGROUP_LIMITS:
        try:
            text = Path(file).read_text("ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            memory = min(memory, int(text))
    return memory
