"""TensorRT-LLM's tools: installed here, or in NVIDIA's image."""

import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from build_scripts.builder import BuildError
from build_scripts.builder.packages import installed
from build_scripts.trtllm.tables import VERSION

BUILD = "trtllm-build"
IMAGE = f"nvcr.io/nvidia/tensorrt-llm/release:{VERSION}"
IN_IMAGE = Path("/app/tensorrt_llm/examples")
QUANTIZE = "quantization/quantize.py"
LIMITS = ("--ipc=host", "--ulimit", "memlock=-1", "--ulimit", "stack=67108864")
"""The options of NVIDIA's documentation: several processes share memory."""
BOTH_WAYS = (
    f"run this where TensorRT-LLM {VERSION} is installed, with --examples DIR of its source, or "
    f"with --docker, which runs it in {IMAGE}"
)
PACKAGE = "tensorrt_llm"
TOKEN = "HF_TOKEN"


class Needs(NamedTuple):
    """Names of variables, and directories that a command reads or also writes to."""

    environment: Collection[str]
    read: Sequence[Path]
    write: Sequence[Path]


class Tools(ABC):
    """One installation of the tools. `python` runs the scripts in `examples`."""

    examples: Path
    python: Sequence[str]

    @abstractmethod
    def versions(self) -> Mapping[str, str]:
        """Returns them by tool. Raises BuildError where one is missing or of another release."""

    @abstractmethod
    def wrapped(self, argv: Sequence[str], needs: Needs) -> list[str]:
        """Returns the command line that runs `argv`."""


class Local(Tools):
    """The tools on PATH, with the examples of the source."""

    def __init__(self, examples: Path | None) -> None:
        inside = IN_IMAGE if IN_IMAGE.is_dir() else None
        self._found = examples or inside
        self.examples = (self._found or Path("EXAMPLES")).expanduser()
        build = shutil.which(BUILD)
        self.python = ["python3"] if build is None else python_of(Path(build))

    def versions(self) -> Mapping[str, str]:
        if shutil.which(BUILD) is None:
            raise BuildError(f"{BUILD} is not on PATH; {BOTH_WAYS}")
        if self._found is None:
            raise BuildError(f"--examples is not given; {BOTH_WAYS}")
        script = self.examples / QUANTIZE
        if not script.is_file():
            raise BuildError(
                f"there is no {script}; needed is the folder 'examples' of the source of "
                f"TensorRT-LLM {VERSION}"
            )
        check_version(self._version())
        # Beside the examples of a checkout: scripts and package of one release.
        beside = self.examples.parent / "tensorrt_llm" / "version.py"
        text = beside.read_text("utf-8") if beside.is_file() else ""
        if match := re.search(r'__version__ = "(.+)"', text):
            check_version(match[1], f"the examples in {self.examples} are of TensorRT-LLM")
        return {"tensorrt_llm": VERSION}

    def _version(self) -> str:
        """Returns that of the package that trtllm-build runs, which may be of another Python."""
        return installed(self.python, [PACKAGE]).get(PACKAGE, "of unknown version")

    def wrapped(self, argv: Sequence[str], needs: Needs) -> list[str]:
        return list(argv)


def python_of(program: Path) -> list[str]:
    """Returns the interpreter of a console script."""
    with program.open("rb") as file:
        first = file.readline(1000).decode("utf-8", "replace").strip()
    words = first.removeprefix("#!").split()
    if first.startswith("#!") and "python" in words[-1]:
        return words
    beside = program.with_name("python3")
    return [str(beside)] if beside.exists() else ["python3"]


class Docker(Tools):
    """The tools in a container that is removed when its command ends."""

    examples = IN_IMAGE
    python = ("python3",)

    def __init__(self, image: str) -> None:
        self._image = image

    def versions(self) -> Mapping[str, str]:
        if shutil.which("docker") is None:
            raise BuildError(f"docker is not on PATH; {BOTH_WAYS}")
        _, _, tag = self._image.partition("@")[0].rpartition("/")[2].partition(":")
        check_version(tag or "of unknown version", f"--docker {self._image}: TensorRT-LLM is")
        return {"tensorrt_llm": VERSION}

    def wrapped(self, argv: Sequence[str], needs: Needs) -> list[str]:
        """Everything has the same path inside as outside. Variables go by name: their values, which
        may be secret, stand in no command line. --init passes on the signal that ends a build."""
        words = ["docker", "run", "--rm", "--init", "--gpus", "all", *LIMITS]
        words += ["--user", f"{os.getuid()}:{os.getgid()}"]
        # The user has neither in the image, where PyTorch asks for both.
        words += ["--env", f"HOME={needs.write[-1]}", "--env", "USER=builder"]
        for name in ("CUDA_VISIBLE_DEVICES", *needs.environment):
            words += ["--env", name]
        for folder in needs.read:
            words += ["--mount", f"type=bind,source={folder},target={folder},readonly"]
        for folder in needs.write:
            words += ["--mount", f"type=bind,source={folder},target={folder}"]
        return [*words, "--workdir", str(needs.write[-1]), self._image, *argv]


def folders_of(model: Path) -> list[Path]:
    """Returns where a model's files really are: a snapshot in the hub's cache is links."""
    files = [file.resolve() for file in model.iterdir() if file.is_file()]
    folders = sorted({file.parent for file in files})
    return [folder for folder in folders if not any(p in folders for p in folder.parents)]


def check_version(version: str, what: str = "TensorRT-LLM is") -> None:
    """Raises BuildError for a release that compiles no engines, or others."""
    if version != VERSION:
        raise BuildError(
            f"{what} {version} here; needed is {VERSION}: engines of another release are not "
            "loaded by it, and later ones compile none"
        )
