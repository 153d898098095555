"""The tables of the backends: complete, with sources, and in the engines' own words."""

import importlib
import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from common.models.formats import cache_formats, formats
from common.plan.tables import (
    CacheRow,
    SchemeRow,
    Table,
    contains,
    fill,
    given,
    merged,
    table,
    tables,
)
from services._tgi.launch import OPTIONS
from tests.conftest import BACKENDS
from tests.service_process import REPOSITORY, loads_weights

TABLES = {each.name: each for each in tables()}
CONTRACTS = REPOSITORY / "tests" / "doubles" / "contracts"
WITHOUT_SIZE = re.compile(
    r"autoawq-|compressed-tensors-(mxfp4|nvfp4)|modelopt|smooth_quant|exl2|marlin|eetq"
)
"""Formats whose size only their files tell."""


def rows() -> list[tuple[Table, SchemeRow | CacheRow]]:
    found: list[tuple[Table, SchemeRow | CacheRow]] = []
    for each in TABLES.values():
        found += ((each, row) for row in each.schemes)
        found += ((each, row) for row in each.caches)
    return found


def test_every_backend_that_loads_weights_has_a_table() -> None:
    assert set(TABLES) == {backend for backend in BACKENDS if loads_weights(backend)}


def test_every_row_has_a_source() -> None:
    for found in TABLES.values():
        assert len(found.source) > 20
    for found, row in rows():
        assert re.search(r"\d|/", row.source), (found.name, row.name)


def test_every_format_is_one_that_is_known_or_told_by_files() -> None:
    for found in TABLES.values():
        for row in found.schemes:
            assert row.format in formats(), (found.name, row.format)
            if row.how in ("as stored", "never"):
                continue
            for form in row.formats:
                assert form in formats() or WITHOUT_SIZE.match(form), (found.name, form)
        for cache in found.caches:
            assert cache.name in cache_formats()


def test_what_is_refused_says_what_would_work() -> None:
    for found in TABLES.values():
        for row in found.schemes:
            if row.how == "never":
                assert row.refusal, (found.name, row.name)
                assert row.instead, (found.name, row.name)
            if row.how == "build":
                assert row.build, (found.name, row.name)


def test_every_table_has_plain_weights_and_can_be_asked_for_4_bits() -> None:
    for found in TABLES.values():
        names = {name for row in found.schemes for name in (*row.names, *row.serves)}
        assert {"none", "awq"} <= names, found.name
        if found.own_4bit is not None:
            assert found.own_4bit in names


def contract(name: str) -> str:
    return (CONTRACTS / name).read_text("utf-8")


def argument_names(backend: str) -> set[str]:
    """What the plan gives the engine beside the user's arguments."""
    found = TABLES[backend]
    return {name for table, row in rows() if table == found for name in row.arguments}


@pytest.mark.parametrize(
    ("backend", "names"),
    [
        ("tensorrt_llm", {"kv_cache_config"}),
    ],
)
def test_arguments_are_those_of_the_engine(backend: str, names: set[str]) -> None:
    file = {"tensorrt_llm": "trtllm.json"}
    assert argument_names(backend) == names
    for name in names:
        assert f'"{name}"' in contract(file[backend])


def test_tgi_is_given_flags_of_its_launcher() -> None:
    assert argument_names("tgi") == {"kv-cache-dtype"}
    assert argument_names("tgi") <= set(OPTIONS)


def test_ray_serve_has_vllms_rows_but_for_their_release() -> None:
    """They are two releases of one engine."""

    def read(backend: str) -> Any:
        text = (REPOSITORY / "services" / f"_{backend}" / "quantization.toml").read_text("utf-8")
        values = tomllib.loads(re.sub(r"vllm 0\.\d+\.0", "vllm", text))
        return values["quantization"], values["kv_cache_dtype"]

    def names(found: Any) -> list[list[str]]:
        return [[row["name"] for row in part] for part in found]

    left, right = read("vllm"), read("ray_serve")
    assert names(left) == names(right)


def test_tables_are_packaged() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    data = project["tool"]["setuptools"]["package-data"]
    packaged = {
        file for pattern in data["services"] for file in (REPOSITORY / "services").glob(pattern)
    }
    assert len(packaged) == len(TABLES)
    shared = {
        file.name for pattern in data["common"] for file in (REPOSITORY / "common").glob(pattern)
    }
    assert {"gpus.toml", "formats.toml"} <= shared


def test_a_table_without_its_adapter_is_another_s(tmp_path: Path) -> None:
    for name in ("vllm", "ray_serve"):
        (tmp_path / f"_{name}").mkdir()
        source = REPOSITORY / "services" / f"_{name}" / "quantization.toml"
        (tmp_path / f"_{name}" / source.name).write_text(source.read_text("utf-8"), "utf-8")
    (tmp_path / "vllm.py").touch()
    assert [found.name for found in tables(tmp_path)] == ["vllm"]


def test_an_engine_without_a_table_takes_plain_weights_only(tmp_path: Path) -> None:
    found = table("parrot", "Parrot", tmp_path)
    assert [row.name for row in found.schemes] == ["none"]


def test_the_users_arguments_win_over_the_plans() -> None:
    under = {"a": 1, "cache": {"dtype": "fp8", "tokens": 1}}
    assert merged(under, {"cache": {"tokens": 2}, "b": 3}) == {
        "a": 1,
        "b": 3,
        "cache": {"dtype": "fp8", "tokens": 2},
    }
    assert merged(under, {"cache": None})["cache"] is None


def test_arguments_are_found_however_they_are_written() -> None:
    arguments = {"kv_cache_dtype": "x", "cache": {"dtype": "fp8"}}
    assert contains(arguments, {"kv-cache-dtype": "x"})
    assert contains(arguments, {"cache": {"dtype": "fp8"}})
    assert not contains(arguments, {"cache": {"dtype": "fp8", "more": 1}})
    assert given(arguments, "cache.dtype")
    assert given(arguments, "kv-cache-dtype")
    assert not given(arguments, "cache.tokens")


def test_a_command_quotes_the_model_and_leaves_the_demo_model_out() -> None:
    assert fill("make --model {model} --x", "my model") == "make --model 'my model' --x"
    assert fill("make --model {model} --x", "the demo model") == "make --x"


def commands() -> list[list[str]]:
    """Every command that a plan may tell a person to run."""
    texts = [
        text
        for found in TABLES.values()
        for row in found.schemes
        for text in (row.build, row.instead, *row.makes.values())
        if text and "python -m " in text
    ]
    found = {fill(text, "org/model").partition("python -m ")[2].partition(";")[0] for text in texts}
    return [command.split() for command in sorted(found)]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_a_command_that_is_offered_is_one_that_its_builder_takes(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, *arguments = command
    found = importlib.util.find_spec(f"{module}.__main__" if is_folder(module) else module)
    assert found is not None
    builder = importlib.import_module(found.name)
    monkeypatch.setattr(builder.cli, "run", lambda parser, recipe: parser.parse_args(arguments))
    assert builder.main().model == "org/model"


def is_folder(module: str) -> bool:
    return (REPOSITORY / module.replace(".", "/")).is_dir()
