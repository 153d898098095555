"""Reads from the name of an instance type what the machine is."""

import re
from dataclasses import dataclass

from common.plan.devices import MIB, Device, known_gpus

GPU = re.compile(r"gpu\.(?P<kind>[a-z0-9-]+)\.(?P<count>\d+)(?:x(?P<gb>\d+))?")
"""`gpu.a100.1x80` is one A100 with 80 GB, `gpu.l4.1` one of its only, or its smallest, size."""
CPU = re.compile(r"cpu\.\d+")
MEMORY_MIB = {"cpu.1": 2048, "cpu.2": 2048, "cpu.4": 8192, "cpu.8": 16384}
"""docs.bentoml.com, "Configure Deployments", "Instance types"; of other sizes it is not known."""


@dataclass(frozen=True)
class Instance:
    """Describes a machine; `gpus` is None where the name follows no pattern."""

    name: str
    gpus: int | None
    device: Device


def instance_of(name: str) -> Instance:
    """Returns the machine that an instance type of this name is."""
    match = GPU.fullmatch(name)
    if match:
        gpus = int(match["count"])
        return Instance(name, gpus, _gpu(name, match["kind"], match["gb"], gpus))
    if CPU.fullmatch(name):
        mib = MEMORY_MIB.get(name)
        memory = None if mib is None else mib * MIB
        return Instance(name, 0, Device(name, "cpu", memory, count=1))
    return Instance(name, None, Device(name, "unknown"))


def _gpu(name: str, kind: str, gb: str | None, count: int) -> Device:
    rows = known_gpus()
    sized = [rows[key] for key in ([f"{kind}-{gb}gb"] if gb else []) if key in rows]
    exact = [rows[kind]] if kind in rows else []
    # BentoML's own "nvidia-tesla-a100" of gpu.a100.1 is the one with 40 GB.
    others = [] if gb else [row for key, row in rows.items() if key.startswith(f"{kind}-")]
    for row in sized or exact or sorted(others, key=lambda other: other.mib)[:1]:
        return Device(row.name, "gpu", row.mib * MIB, row.compute_capability, count)
    return Device(name, "unknown", count=count)
