"""The NVIDIA GPUs that this process may use, as nvidia-smi tells them."""

import os
import subprocess

from common.errors import StartError

NVIDIA_SMI = "nvidia-smi"
NVIDIA_SMI_TIMEOUT = 30.0


def visible_gpus(made_for: str) -> list[tuple[str, str]]:
    """Compute capability and name of each GPU that this process may use.

    Raises StartError where nvidia-smi finds none; `made_for` says what was looked for.
    """
    command = [NVIDIA_SMI, "--query-gpu=compute_cap,name", "--format=csv,noheader"]
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        command += ["-i", visible]
    reason = "it lists none"
    try:
        output = subprocess.run(
            command, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        output, reason = "", _reason(error)
    rows = [line.partition(",") for line in output.splitlines() if line.strip()]
    if not rows:
        raise StartError(
            f"setting 'engine_dir': its engine needs a GPU of {made_for}, and "
            f"{NVIDIA_SMI} finds none here ({reason})"
        )
    return [(capability.strip(), name.strip()) for capability, _, name in rows]


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stdout + error.stderr).split("\n")
        return next((line.strip() for line in lines if line.strip()), f"exit {error.returncode}")
    return "it is not installed" if isinstance(error, FileNotFoundError) else str(error)
