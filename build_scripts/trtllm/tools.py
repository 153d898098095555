"""Where TensorRT-LLM's tools are: installed here, or in NVIDIA's image."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from build_scripts.builder import BuildError
from build_scripts.trtllm.schemes import VERSION

BUILD = "trtllm-build"
IMAGE = f"nvcr.io/nvidia/tensorrt-llm/release:{VERSION}"
IN_IMAGE = Path("/app/tensorrt_llm/examples")
LIMITS = ("--ipc=host", "--ulimit", "memlock=-1", "--ulimit", "stack=67108864")
"""As NVIDIA's documentation runs the image: several processes share memory."""


class Local:
    """On PATH, with the examples of the source beside it."""

    def __init__(self, examples: Path | None) -> None:
        self.examples = examples or Path("examples")
        self._given = examples is not None
        self.python = sys.executable

    def versions(self) -> Mapping[str, str]:
        if shutil.which(BUILD) is None:
            raise BuildError(
                f"{BUILD} is not on PATH; run this where TensorRT-LLM {VERSION} is installed, or "
                f"with --docker, which runs it in {IMAGE}"
            )
        script = self.examples / "quantization" / "quantize.py"
        if not self._given or not script.is_file():
            where = f"there is no {script}" if self._given else "--examples is not given"
            raise BuildError(
                f"{where}; needed is the folder 'examples' of TensorRT-LLM {VERSION}'s source"
            )
        try:
            found = version("tensorrt_llm")
        except PackageNotFoundError:
            found = "of unknown version"
        check_version(found)
        return {"tensorrt_llm": found}

    def wrap(self, argv: Sequence[str], model: Path, folders: Sequence[Path]) -> list[str]:
        return list(argv)


class Docker:
    """In a container that is removed when its command ends."""

    examples = IN_IMAGE
    python = "python3"

    def __init__(self, image: str) -> None:
        self._image = image

    def versions(self) -> Mapping[str, str]:
        if shutil.which("docker") is None:
            raise BuildError(
                f"docker is not on PATH; install it, or run this where TensorRT-LLM {VERSION} is "
                "installed, without --docker"
            )
        check_version(self._image.rpartition(":")[2])
        return {"tensorrt_llm": VERSION, "image": self._image}

    def wrap(self, argv: Sequence[str], model: Path, folders: Sequence[Path]) -> list[str]:
        """Everything has the same path inside as outside."""
        shown = mounted(model)
        command = ["docker", "run", "--rm", "--init", "--gpus", "all", *LIMITS]
        command += ["--user", f"{os.getuid()}:{os.getgid()}", "-e", f"HOME={folders[-1]}"]
        command += ["-v", f"{shown}:{shown}:ro"]
        for folder in folders:
            command += ["-v", f"{folder}:{folder}"]
        return [*command, "-w", str(folders[-1]), self._image, *argv]


def mounted(model: Path) -> Path:
    """A snapshot of the hub's cache is links to files two folders above."""
    return model.parent.parent if model.parent.name == "snapshots" else model


def check_version(found: str) -> None:
    """Raises BuildError for a release that compiles no engines, or others."""
    if found != VERSION:
        raise BuildError(
            f"TensorRT-LLM is {found} here; needed is {VERSION}: engines of another release are "
            "not loaded by it, and later ones compile none"
        )
