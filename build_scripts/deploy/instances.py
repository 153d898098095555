"""What the name of an instance type tells."""

import re
from dataclasses import dataclass

GPU = re.compile(r"gpu\.(?P<kind>[a-z0-9-]+)\.(?P<count>\d+)(?:x(?P<gib>\d+))?")
"""`gpu.a100.1x80`: one A100 with 80 GB; `gpu.l4.1`: of a GPU that has one size
(docs.bentoml.com, "Configure Deployments", "Instance types")."""
CPU = re.compile(r"cpu\.[a-z0-9.]+")


@dataclass(frozen=True)
class Instance:
    """`gpus` is None for a name that follows no pattern, such as one of an organization's own.

    `gib` is the memory of each GPU, None where the name does not tell it.
    """

    name: str
    gpus: int | None = None
    gpu: str | None = None
    gib: int | None = None


def instance(name: str) -> Instance:
    """From its name alone."""
    found = GPU.fullmatch(name)
    if found:
        gib = int(found["gib"]) if found["gib"] else None
        return Instance(name, int(found["count"]), found["kind"], gib)
    return Instance(name, 0) if CPU.fullmatch(name) else Instance(name)
