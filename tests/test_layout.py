"""What must agree: services, bentos, extras and the README; and what common/ must not know."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.http.schemas import ChatBody, CompletionBody, GenerateBody
from common.serving.capabilities import NEUTRAL, SHARED
from tests.conftest import BACKENDS
from tests.service_process import REPOSITORY, service_name

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
OTHER_NAMES = {"max_completion_tokens", "messages", "model", "prompt", "stream_options", "user"}
"""Fields of the bodies that are no capability of a backend."""


def bentofile(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return value


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_backend_has_a_bento_an_extra_and_a_line_in_the_readme(backend: str) -> None:
    bento = bentofile(REPOSITORY / "bentos" / backend / "bentofile.yaml")
    assert bento["service"] == f"services.{backend}:{service_name(backend)}"
    assert bento["labels"]["backend"] == backend
    assert backend in PROJECT["optional-dependencies"]
    assert f"| `{backend}` |" in (REPOSITORY / "README.md").read_text("utf-8")


def test_shared_code_names_no_backend() -> None:
    """But for the request field `echo` and the library whose template environment is rebuilt."""
    backends = set(BACKENDS) - {"echo", "transformers"}
    pattern = re.compile(rf"\b({'|'.join(backends)})\b|services\.\w", re.IGNORECASE)
    for file in (REPOSITORY / "common").rglob("*.py"):
        assert not pattern.search(file.read_text("utf-8")), file


def test_every_request_field_is_a_capability_and_the_other_way_round() -> None:
    bodies = (GenerateBody, ChatBody, CompletionBody)
    fields = {name for body in bodies for name in body.model_fields} - OTHER_NAMES
    assert fields == {*NEUTRAL, *SHARED}


def test_files_stay_small() -> None:
    for folder in ("common", "services", "bentocloud", "benchmarks", "build_scripts", "tests"):
        for file in (REPOSITORY / folder).rglob("*.py"):
            assert len(file.read_text("utf-8").splitlines()) <= 400, file
