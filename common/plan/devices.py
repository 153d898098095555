"""Where a model is to run: GPUs that are here or that are named, or the CPU."""

import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from common.models.gpu import GPU, found_gpus
from common.plan.errors import Refused

FILE = Path(__file__).with_name("gpus.toml")
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
CPU = "cpu"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Device:
    """One kind of memory: of each GPU, or of the machine.

    `memory` is in bytes, None where it is not known; so is `compute_capability` for anything but
    an NVIDIA GPU. `count` is None for a GPU that was only named.
    """

    name: str
    kind: Literal["gpu", "cpu", "unknown"]
    memory: int | None = None
    compute_capability: float | None = None
    count: int | None = None


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
    """By name."""
    rows = tomllib.loads(FILE.read_text("utf-8"))["gpu"]
    return {row["name"]: KnownGPU(names=row.pop("is"), **row) for row in rows}


def named_device(name: str) -> Device:
    """The CPU of this machine, or a GPU of gpus.toml. Raises Refused for another name."""
    wanted = name.lower().replace("_", "-").replace(" ", "-")
    if wanted == CPU:
        return cpu_device()
    found = known_gpus().get(wanted)
    if found is None:
        near = difflib.get_close_matches(wanted, known_gpus(), 1, 0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise Refused(
            f"no GPU {name!r} is known{hint}; allowed are {CPU}, {', '.join(known_gpus())}"
        )
    return Device(found.name, "gpu", found.mib * MIB, found.compute_capability)


def detected_device() -> Device | None:
    """The NVIDIA GPUs that this process may use, None where there are none."""
    gpus = found_gpus()
    if not gpus:
        return None
    smallest = min(gpus, key=lambda gpu: gpu.memory)
    capability = min(gpu.compute_capability for gpu in gpus)
    return Device(short_name(smallest), "gpu", smallest.memory, capability, len(gpus))


def short_name(gpu: GPU) -> str:
    """As gpus.toml names it, else as nvidia-smi does."""
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
    """Bytes that this process may use: the container's limit, or the machine's memory."""
    import psutil

    found = int(psutil.virtual_memory().total)
    for file in CGROUP_LIMITS:
        try:
            text = Path(file).read_text("ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            found = min(found, int(text))
    return found
