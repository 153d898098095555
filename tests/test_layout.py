"""What must agree: services, bentos, extras and the README; and what common/ must not know."""

import ast
import graphlib
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.http.schemas import ChatBody, CompletionBody, GenerateBody
from common.serving.capabilities import NEUTRAL, SHARED
from tests.conftest import BACKENDS
from tests.service_process import REPOSITORY, service_name

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
FLOORS = [
    "errors",
    "json_schema",
    "files",
    "messages",
    "command_line",
    "engine_args",
    "sse",
    "speculative",
    "engine_settings",
    "settings",
    "secrets",
    "call_grammar",
    "reasoning_text",
    "sampling",
    "models",
    "machine",
    "prompt_images",
    "engine",
    "text",
    "images",
    "plan",
    "processes",
    "keys",
    "serving",
    "batches",
    "http",
    "service",
]
"""The modules and packages of common/ from the ground up."""
PACKAGES = [
    "common",
    "services",
    "acceptance",
    "build_scripts",
    "bentocloud",
    "operations",
    "benchmarks",
]
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
OTHER_NAMES = {
    "best_of", "max_completion_tokens", "messages", "model", "prompt", "request_id",
    "stream_options", "structured_outputs", "guided_json", "guided_choice", "guided_regex",
    "guided_grammar", "json_schema", "ebnf",
}  # fmt: skip
"""Fields of the bodies that are no capability of a backend, or another name of one."""
PARTS = {"images"}
"""Capabilities that are no fields, but parts of messages."""


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
    assert fields == {*NEUTRAL, *SHARED} - PARTS


def test_imports_of_shared_code_go_one_way() -> None:
    """Each module of common/ imports what stands before it in FLOORS; for types only, too."""
    for file in sorted((REPOSITORY / "common").rglob("*.py")):
        module = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
        for imported in imported_modules(file, "common"):
            assert floor(imported) <= floor(module), f"{module} imports {imported}"


def test_no_two_modules_import_each_other() -> None:
    for package in PACKAGES:
        for cycle in import_cycles(package):
            pytest.fail(" -> ".join(cycle))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_class_name_stands_twice_in_a_package(package: str) -> None:
    homes: dict[str, list[str]] = {}
    for file in python_files(package):
        for node in ast.walk(parse(file)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(file.relative_to(REPOSITORY)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_files_and_functions_stay_small(package: str) -> None:
    for file in python_files(package):
        assert len(file.read_text("utf-8").splitlines()) <= MAX_FILE_LINES, file
        for node in ast.walk(parse(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines <= MAX_FUNCTION_LINES, f"{file}: {node.name}"


@cache
def python_files(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def imported_modules(file: Path, package: str) -> set[str]:
    """The modules of `package` that the file imports anywhere, in functions and for types too."""
    names: set[str] = set()
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names & modules(package) - {package}


@cache
def modules(package: str) -> set[str]:
    return {module_name(file) for file in python_files(package)}


def module_name(file: Path) -> str:
    parts = file.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor(module: str) -> int:
    """The position in FLOORS. Raises ValueError for a room that has no floor yet."""
    return FLOORS.index(module.split(".")[1])


def import_cycles(package: str) -> list[list[str]]:
    """Every group of modules of which each is reached from the other by imports."""
    arrows = {module_name(file): imported_modules(file, package) for file in python_files(package)}
    for module, imported in arrows.items():
        # A package imports its own parts to offer them; that is no circle.
        imported -= {module, *(part for part in imported if module.startswith(f"{part}."))}
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        return [error.args[1]]
    return []
