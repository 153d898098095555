"""What engines take from the machine or its image: looked for before anything is fetched.

A sentence says what is missing, where it was looked for, and what brings it. Without an NVIDIA GPU
nothing is looked for but the GPU itself, where an engine has no other device.
"""

import importlib.util
import os
import re
import shutil
import sysconfig
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from pathlib import Path

from common.errors import StartError
from common.models.gpu import NVML
from common.settings import Settings


class Need(StrEnum):
    """What an engine may take from the machine."""

    C_COMPILER = "C compiler"
    CUDA_TOOLKIT = "CUDA toolkit"
    DRIVER = "driver"
    GPU = "GPU"
    SHARED_MEMORY = "shared memory"


CUDA_ROOT = Path("/usr/local/cuda")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
LEAST_SHARED_MEMORY = 256 * 2**20
"""Bytes: a ring of 10 chunks of 16 MiB for the workers of one engine, and what NCCL takes for each
peer. A container gets 64 MiB unless it asks for more."""
LEAST_DRIVERS: Mapping[int, str] = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
"""The oldest Linux driver for a major release of CUDA (CUDA Compatibility, minor versions)."""
LIBRARY_FOLDERS = ("lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib")


def check_machine(needs: Collection[Need], settings: Settings) -> None:
    """Raises StartError for the first of `needs` that this machine lacks."""
    for lack in lacks(needs, settings):
        raise StartError(lack)


def lacks(needs: Collection[Need], settings: Settings) -> list[str]:
    """Returns a sentence for each of `needs` that this machine lacks for these settings."""
    nvml = NVML()
    if not nvml.handles:
        reason = nvml.unavailable or "CUDA_VISIBLE_DEVICES hides all"
        return [_no_gpu(reason)] if Need.GPU in needs else []
    looked_for = relevant(needs, settings)
    answers = (LOOKS[need](settings) for need in looked_for if need is not Need.GPU)
    return [answer for answer in answers if answer is not None]


def relevant(needs: Collection[Need], settings: Settings) -> list[Need]:
    """Returns those of `needs` that these settings ask for: what several GPUs need only with more
    than one."""
    alone = settings.tensor_parallel_size < 2
    return [need for need in needs if not (alone and need is Need.SHARED_MEMORY)]


def find_program(program: str, given: str | None, remedy: str) -> str:
    """Returns the path of a program, that of `given` where a setting names one.

    Raises StartError, which says where it was looked for and ends with `remedy`.
    """
    path = shutil.which(program if given is None else os.path.expanduser(given))
    if path is not None:
        return path
    where = _path() if given is None else f"at {given!r} (setting 'engine_args')"
    raise StartError(f"{program} was looked for {where} and is not there; {remedy}")


def torch_cuda() -> str | None:
    """Returns the release of CUDA that the installed torch is built for; imports no torch.

    None without a torch, or for one that is not built for CUDA.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        text = Path(spec.origin).with_name("version.py").read_text("utf-8")
    except OSError:
        return None
    match = re.search(r"^cuda\b.*= *'(\d+\.\d+)", text, re.MULTILINE)
    return match and match[1]


def _no_gpu(reason: str) -> str:
    return (
        f"no NVIDIA GPU was found ({reason}), and this engine runs on nothing else; in a container "
        "ask for one: docker run --gpus all"
    )


def _c_compiler(settings: Settings) -> str | None:
    """As torch's own compiler of kernels looks for it, and for the header that each includes."""
    given = os.environ.get("CC")
    if not (shutil.which(given) if given else shutil.which("gcc") or shutil.which("clang")):
        looked = f"as CC={given}" if given else f"as gcc and clang {_path()}"
        return (
            f"a C compiler, with which kernels are made, was looked for {looked} and is not there; "
            "apt-get install gcc, or set CC"
        )
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        return (
            f"Python.h, with which kernels are made, was looked for as {header} and is not there; "
            f"apt-get install python{sysconfig.get_python_version()}-dev"
        )
    return None


def _cuda_toolkit(settings: Settings) -> str | None:
    """As FlashInfer looks for it: CUDA_HOME or CUDA_PATH alone where it is set."""
    given = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    roots = [Path(given)] if given else [*_beside_nvcc(), CUDA_ROOT]
    root = next((root for root in roots if (root / "bin" / "nvcc").is_file()), None)
    release = torch_cuda()
    package = "cuda-toolkit" + (f"-{release.replace('.', '-')}" if release else "")
    remedy = (
        f"apt-get install {package} from NVIDIA's repository, or take an image "
        f"nvidia/cuda:{release or 'RELEASE'}…-devel, or set CUDA_HOME"
    )
    if root is None:
        looked = f"in CUDA_HOME={given}" if given else f"{_path()}, then in {CUDA_ROOT}"
        return (
            f"nvcc, with which this engine compiles CUDA code, was looked for {looked} and is not "
            f"there; {remedy}"
        )
    library_path = os.environ.get("LIBRARY_PATH", "").split(os.pathsep)
    folders = [*(root / name for name in LIBRARY_FOLDERS), *map(Path, filter(None, library_path))]
    if not any((folder / "libcudart.so").exists() for folder in folders):
        return (
            "libcudart.so, which compiled CUDA code is linked to, was looked for in "
            f"{', '.join(map(str, folders))} and is not there; {remedy}"
        )
    if shutil.which("ninja") is None:
        return (
            f"ninja, with which this engine compiles CUDA code, was looked for {_path()} and is "
            "not there; pip install ninja, and put the environment's bin on PATH"
        )
    return None


def _beside_nvcc() -> list[Path]:
    program = shutil.which("nvcc")
    return [] if program is None else [Path(program).resolve().parents[1]]


def _driver(settings: Settings) -> str | None:
    release, nvml = torch_cuda(), NVML()
    if release is None or nvml.cuda is None:
        return None
    major = int(release.partition(".")[0])
    if nvml.cuda[0] >= major:
        return None
    least = LEAST_DRIVERS.get(major)
    return (
        f"the installed torch is built for CUDA {release}, and the driver {nvml.driver} is for "
        f"CUDA {nvml.cuda[0]}.{nvml.cuda[1]}; install a driver"
        + (f" of {least} or newer" if least else "")
        + f", or a torch built for CUDA {nvml.cuda[0]}"
    )


def _shared_memory(settings: Settings) -> str | None:
    if not SHARED_MEMORY.is_dir():
        return None
    size = shutil.disk_usage(SHARED_MEMORY).total
    if size >= LEAST_SHARED_MEMORY:
        return None
    return (
        f"setting 'tensor_parallel_size': {settings.tensor_parallel_size} GPUs exchange data in "
        f"{SHARED_MEMORY}, which has {size // 2**20} MiB here; allowed is "
        f"{LEAST_SHARED_MEMORY // 2**20} MiB or more: docker run --shm-size=1g"
    )


LOOKS: Mapping[Need, Callable[[Settings], str | None]] = {
    Need.C_COMPILER: _c_compiler,
    Need.CUDA_TOOLKIT: _cuda_toolkit,
    Need.DRIVER: _driver,
    Need.SHARED_MEMORY: _shared_memory,
}


def _path() -> str:
    return f"on PATH ({os.environ.get('PATH', os.defpath)})"
