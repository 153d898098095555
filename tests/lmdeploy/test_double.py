"""The double of LMDeploy takes just what LMDeploy 0.18.0 takes, with its defaults."""

import importlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lmdeploy.package import importable

CONTRACT = json.loads(
    (Path(__file__).parents[1] / "doubles/contracts/lmdeploy.json").read_text("utf-8")
)["objects"]
NOT_DOUBLED = {
    "lmdeploy.messages:SpeculativeConfig",
    "lmdeploy.serve.core.health:EngineHealthMonitor",
    "lmdeploy.archs:autoget_backend",
    "lmdeploy.archs:autoget_backend_config",
    "lmdeploy.archs:get_task",
    "lmdeploy.api:pipeline",
    "lmdeploy.serve.core.async_engine:AsyncEngine.do_log_stats",
    "lmdeploy.serve.core.async_engine:AsyncEngine.sleep",
    "lmdeploy.serve.core.async_engine:AsyncEngine.wakeup",
    "lmdeploy.pytorch.engine.engine:Engine.wait_tasks",
}
"""Nothing of ours calls them, or the object that has them is the double's own."""
DOUBLED = sorted(CONTRACT.keys() - NOT_DOUBLED)


@pytest.fixture(scope="module", autouse=True)
def package() -> Iterator[None]:
    with importable():
        yield


def find(target: str) -> Any:
    module, _, path = target.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def described(function: Any) -> list[tuple[str, str, str | None]]:
    """Name, kind and default of each parameter but `self`, as the contract writes them."""
    return [
        (
            ("**" if p.kind is p.VAR_KEYWORD else "*" if p.kind is p.VAR_POSITIONAL else "")
            + p.name,
            p.kind.name.lower(),
            None if p.default is p.empty else repr(p.default),
        )
        for p in inspect.signature(function).parameters.values()
        if p.name != "self"
    ]


def expected(entry: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(p["name"], p["kind"], p.get("default")) for p in entry["parameters"]]


def fields(entry: dict[str, Any]) -> dict[str, str]:
    """Name to default; the last one counts where LMDeploy declares a field twice."""
    return {field["name"]: field.get("default", "") for field in entry["fields"]}


@pytest.mark.parametrize("target", DOUBLED)
def test_a_double_has_the_packages_signature(target: str) -> None:
    entry, found = CONTRACT[target], find(target)
    if entry["kind"] == "function":
        assert described(found) == expected(entry)
        asynchronous = inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)
        assert asynchronous == (entry["type"] == "async def")
        assert inspect.isasyncgenfunction(found) == entry.get("is_generator", False)
    elif "members" in entry:
        assert list(found.__members__) == list(entry["members"])
    elif "fields" in entry:
        own = {f.name: f for f in inspect.signature(found).parameters.values()}
        assert own.keys() == fields(entry).keys()
        for name, default in fields(entry).items():
            if default.startswith(("field(", "EngineRole", "MigrationBackend", "QuantPolicy")):
                continue
            given = own[name].default
            assert default == ("" if given is inspect.Parameter.empty else repr(given)), name
    elif "init" in entry:
        assert described(found) == expected(entry["init"])


def test_what_is_not_doubled_is_still_in_the_contract() -> None:
    assert CONTRACT.keys() >= NOT_DOUBLED
