"""Programs that these tests run, and what a test does without them."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.service_process import REPOSITORY

CHART = REPOSITORY / "operations" / "chart"
SCHEMAS = REPOSITORY / ".venv-schemas" / "bin" / "python"


def missing(message: str) -> None:
    """Skip, or fail where all has to be tested."""
    if os.environ.get("CI") or os.environ.get("LLM_TEST_ALL"):
        pytest.fail(message)
    pytest.skip(message)


def prometheus(program: str) -> str:
    """`prometheus` or `promtool`, as scripts/prometheus finds them."""
    unpacked = REPOSITORY / ".venv-prometheus" / "usr" / "bin" / program
    found = shutil.which(program) or (str(unpacked) if unpacked.exists() else None)
    if found is None:
        missing(f"{program} is not here: run scripts/prometheus")
    return str(found)


def run(
    *command: str | Path, folder: Path = REPOSITORY, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=600,
    )


def with_schemas(script: str, *arguments: str | Path, given: str | None = None) -> str:
    """Returns what the script of this folder prints in the environment `schemas`."""
    if not SCHEMAS.exists():
        missing("the environment of the schemas is not here: run scripts/setup schemas")
    done = run(SCHEMAS, Path(__file__).with_name(script), *arguments, given=given)
    assert not done.stderr, done.stderr
    return done.stdout


def faults(*files: Path) -> list[str]:
    """Returns what published schemas find wrong with these files, a line each."""
    return with_schemas("schemas.py", *files).splitlines()


class Refused(Exception):
    """Helm's message about values that the chart does not take."""


def chart(backend: str, name: str = "llm", /, **values: Any) -> dict[str, Any]:
    """Returns the objects that Helm makes of operations/chart, by their file's name.

    `backend` is a file in values/, `values` are above it, `name` is the release's. Raises Refused.
    """
    values_file = str(CHART / "values" / f"{backend}.yaml")
    request = {"chart": str(CHART), "values_file": values_file, "values": values, "name": name}
    answer = json.loads(with_schemas("render.py", given=json.dumps(request)))
    if "error" in answer:
        raise Refused(answer["error"])
    assert answer["lint"] == []
    files = {Path(path).stem: yaml.safe_load(text) for path, text in answer["files"].items()}
    return {stem: value for stem, value in files.items() if stem != "NOTES" and value}


def pod_of(objects: dict[str, Any]) -> Any:
    return objects["deployment"]["spec"]["template"]["spec"]


def environment_of(objects: dict[str, Any]) -> dict[str, Any]:
    variables = pod_of(objects)["containers"][0]["env"]
    assert len({variable["name"] for variable in variables}) == len(variables)
    return {variable["name"]: variable for variable in variables}
