"""Builds bentos where no network can be reached."""

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.limits import BUILD_DEADLINE
from tests.service_process import REPOSITORY

HUB_TOKEN, KEY = "hf_BuiltWithThisTokenSet", "built-with-this-key-set"
"""In the environment of every build."""
NOWHERE = "http://127.0.0.1:9"
"""The port of "discard": nothing listens there."""
RUN_ALL = """
import contextlib, io, json, sys
from build_scripts.bentos.build import main
results = []
for command in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(command)
        except SystemExit as error:
            status = error.code
    results.append((status, out.getvalue(), err.getvalue()))
json.dump(results, sys.stdout)
"""
"""Runs the command of scripts/bento again and again: its imports take longer than a build."""
PUT_MODELS = """
import bentoml, json, shutil, sys
for tag, source in json.load(sys.stdin).items():
    with bentoml.models.create(tag) as model:
        shutil.copytree(source, model.path, dirs_exist_ok=True)
"""


@functools.cache
def without_network() -> list[str]:
    """Returns the command for a network namespace with nothing in it, where one can be made."""
    command = ["unshare", "--net"]
    try:
        return command if subprocess.run([*command, "true"]).returncode == 0 else []
    except FileNotFoundError:
        return []


def tracked(*paths: str) -> set[str]:
    """Returns the files of the repository, or of these parts of it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *paths]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.splitlines() if (REPOSITORY / name).is_file()}


@functools.cache
def checkout() -> Path:
    """Returns a copy of the repository with links to the environments that lie in it: bentoml looks
    at each file in every build, and follows no link."""
    folder = Path(tempfile.mkdtemp(prefix="checkout-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in tracked(":!tests"):
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, copy)
    for installed in REPOSITORY.glob(".venv*"):
        (folder / installed.name).symlink_to(installed)
    return folder


def environment(home: Path) -> dict[str, str]:
    proxies = {f"{name}_proxy": NOWHERE for name in ("http", "https", "all")}
    return {
        **os.environ,
        **proxies,
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "HF_TOKEN": HUB_TOKEN,
        "API_KEYS": KEY,
    }


@dataclass(frozen=True)
class Store:
    """The bentos and models in `home`, a BENTOML_HOME."""

    home: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts one build, as scripts/bento does."""
        return self._start("-m", "build_scripts.bentos.build", *arguments)

    def build(self, *arguments: str) -> Path:
        """Returns the bento's directory in the store."""
        (directory,) = self.build_all(arguments)
        return directory

    def build_all(self, *commands: Sequence[str]) -> list[Path]:
        """Returns the directories of bentos that are built in one process."""
        results = self.run_all(*([*command, "-o", "tag"] for command in commands))
        assert {status for status, _, _ in results} == {0}, results
        return [self.home.joinpath("bentos", *out.strip().split(":")) for _, out, _ in results]

    def refusals(self, *commands: Sequence[str]) -> list[str]:
        """Returns the line of each build that must not come about; nothing may be left of it."""
        lines = []
        for status, out, err in self.run_all(*commands):
            assert status != 0, out + err
            (line,) = err.splitlines()
            assert line.startswith("error: ")
            lines.append(line.removeprefix("error: "))
        assert self.left() == []
        return lines

    def run_all(self, *commands: Sequence[str]) -> list[tuple[int, str, str]]:
        """Returns the exit status and both outputs of each command."""
        results: list[tuple[int, str, str]] = json.loads(self._run(RUN_ALL, commands))
        return results

    def left(self) -> list[str]:
        """Returns what lies among the bentos and where they are made."""
        folders = (self.home / "bentos", self.home / "tmp")
        return [str(path) for folder in folders for path in folder.glob("*")]

    def put_models(self, sources: Mapping[str, Path]) -> None:
        """Stores models, by their tags, that were not made by build_scripts."""
        self._run(PUT_MODELS, {tag: str(source) for tag, source in sources.items()})

    def _run(self, code: str, given: Any) -> str:
        process = self._start("-c", code)
        out, err = process.communicate(json.dumps(given), timeout=BUILD_DEADLINE)
        assert process.returncode == 0, out + err
        return out

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*without_network(), sys.executable, "-W", "ignore", *arguments],
            cwd=checkout(),
            env=environment(self.home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def info(bento: Path) -> dict[str, Any]:
    """Returns the content of bento.yaml."""
    values: dict[str, Any] = yaml.safe_load((bento / "bento.yaml").read_text("utf-8"))
    return values


def tag(bento: Path) -> str:
    return f"{bento.parent.name}:{bento.name}"
