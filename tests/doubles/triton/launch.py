"""Become the tritonserver of nvidia-pytriton, with our backends.

Its Python backend finds the programs that run models beside its library, and needs the libpython of
the interpreter that has the packages: the package prepares both only for servers of its own kind.
"""

import os
import re
import shutil
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path

PACKAGES = Path(sysconfig.get_path("purelib"))
SERVER = PACKAGES / "pytriton" / "tritonserver"
STUB = "triton_python_backend_stub"
REGION = "triton_tensorrtllm_backend_shm_region_"
HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


def backends() -> Path:
    """A directory with the Python backend, complete, and ours. Links out of it are refused."""
    directory = Path(sys.prefix) / "triton-backends"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = [file for file in (SERVER / "backends" / "python").iterdir() if file.is_file()]
    for file in (*python, SERVER / "python_backend_stubs" / version / STUB):
        put(file, directory / "python")
    for file in (HERE / "backends").glob("*/*.py"):
        put(file, directory / file.parent.name)
    return directory


def put(file: Path, folder: Path) -> None:
    """Whole at every moment: several servers may start at once."""
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / file.name, folder / f"{file.name}.{os.getpid()}"
    if not target.exists() or target.read_bytes() != file.read_bytes():
        shutil.copy(file, part)
        part.replace(target)


def remove_left_memory() -> None:
    """A server that was killed leaves its shared memory behind: what no process has mapped."""
    mapped = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):
            mapped.update(re.findall(rf"{REGION}\S+", maps.read_text("utf-8", "replace")))
    for region in Path("/dev/shm").glob(f"{REGION}*"):
        with suppress(OSError):
            # A new one may not be mapped yet.
            if region.name not in mapped and time.time() - region.stat().st_mtime > 60:
                region.unlink()


def environment() -> dict[str, str]:
    libraries = [sysconfig.get_config_var("LIBDIR"), str(PACKAGES / "nvidia_pytriton.libs")]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "PATH": os.pathsep.join([f"{sys.prefix}/bin", os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


if __name__ == "__main__":
    binary = str(SERVER / "bin" / "tritonserver")
    remove_left_memory()
    # At its end it would wait for seconds until the Python that is our model is unloaded.
    own = [f"--backend-directory={backends()}", "--exit-timeout-secs=0"]
    arguments = [binary, *sys.argv[1:], *own]
    os.execve(binary, arguments, environment())
