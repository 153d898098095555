"""The NVIDIA GPUs that this process may use, by nvidia-smi."""

import os
import subprocess
from typing import NamedTuple

from common.errors import StartError

NVIDIA_SMI = "nvidia-smi"
NVIDIA_SMI_TIMEOUT = 30.0
MIB = 2**20


class GPU(NamedTuple):
    """One GPU. `memory` is all that it has, in bytes."""

    name: str
    memory: int
    compute_capability: float


def visible_gpus(made_for: str) -> list[tuple[str, str]]:
    """Returns compute capability and name of each GPU that this process may use.

    Raises StartError where nvidia-smi finds none; `made_for` says what was looked for.
    """
    rows, reason = _query("compute_cap,name")
    if not rows:
        raise StartError(
            f"setting 'engine_dir': its engine needs a GPU of {made_for}, and "
            f"{NVIDIA_SMI} finds none here ({reason})"
        )
    return [(row[0], ", ".join(row[1:])) for row in rows]


def detected_gpus() -> list[GPU]:
    """Returns none where nvidia-smi lists none, or says what cannot be understood."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return []
    rows, _ = _query("memory.total,compute_cap,name", "nounits")
    try:
        return [GPU(name, int(mib) * MIB, float(capability)) for mib, capability, name in rows]
    except ValueError:
        return []


def _query(fields: str, *options: str) -> tuple[list[list[str]], str]:
    """Returns a row for each GPU, and the reason where there is none."""
    layout = ",".join(("csv", "noheader", *options))
    command = [NVIDIA_SMI, f"--query-gpu={fields}", f"--format={layout}"]
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        command += ["-i", visible]
    reason = "it lists none"
    try:
        output = subprocess.run(
            command, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        output, reason = "", _reason(error)
    lines = (line for line in output.splitlines() if line.strip())
    return [[cell.strip() for cell in line.split(",")] for line in lines], reason


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stdout + error.stderr).split("\n")
        return next((line.strip() for line in lines if line.strip()), f"exit {error.returncode}")
    return "it is not installed" if isinstance(error, FileNotFoundError) else str(error)
