"""Builds bentos as a person does, where no network can be reached."""

import functools
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.limits import BUILD_DEADLINE
from tests.service_process import REPOSITORY

NOWHERE = "http://127.0.0.1:9"
"""The port of "discard": nothing listens there."""


@functools.cache
def without_network() -> list[str]:
    """A network namespace with nothing in it, where this user may make one."""
    command = ["unshare", "--net"]
    try:
        return command if subprocess.run([*command, "true"]).returncode == 0 else []
    except FileNotFoundError:
        return []


def environment(home: Path) -> dict[str, str]:
    proxies = {f"{name}_proxy": NOWHERE for name in ("http", "https", "all")}
    return {**os.environ, **proxies, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}


@dataclass(frozen=True)
class Store:
    """The bentos and models in `home`, a BENTOML_HOME."""

    home: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        module = ["-W", "ignore", "-m", "build_scripts.bentos.build"]
        return subprocess.Popen(
            [*without_network(), sys.executable, *module, *arguments],
            cwd=REPOSITORY,
            env=environment(self.home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def build(self, *arguments: str) -> Path:
        """The bento's place in the store."""
        process = self.start(*arguments, "-o", "tag")
        out, err = process.communicate(timeout=BUILD_DEADLINE)
        assert process.returncode == 0, out + err
        return self.home.joinpath("bentos", *out.strip().split(":"))

    def refusal(self, *arguments: str) -> str:
        """The one line of a build that must not come about; nothing may be left of it."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=BUILD_DEADLINE)
        assert process.returncode != 0, out + err
        (line,) = err.splitlines()
        assert line.startswith("error: ")
        assert self.left() == []
        return line.removeprefix("error: ")

    def left(self) -> list[str]:
        """What lies among the bentos and where they are made."""
        folders = (self.home / "bentos", self.home / "tmp")
        return [str(path) for folder in folders for path in folder.glob("*")]

    def put_model(self, tag: str, source: Path) -> None:
        """A model that was not made by build_scripts."""
        code = (
            "import bentoml, pathlib, shutil, sys\n"
            "tag, source = sys.argv[1:]\n"
            "with bentoml.models.create(tag) as model:\n"
            "    for file in pathlib.Path(source).iterdir():\n"
            "        shutil.copy(file, model.path)\n"
        )
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, tag, str(source)],
            env=environment(self.home),
            check=True,
        )


def info(bento: Path) -> dict[str, Any]:
    """bento.yaml."""
    values: dict[str, Any] = yaml.safe_load((bento / "bento.yaml").read_text("utf-8"))
    return values


def tag(bento: Path) -> str:
    return f"{bento.parent.name}:{bento.name}"
