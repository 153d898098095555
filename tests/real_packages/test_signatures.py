"""What the contracts of the doubles say is what the packages themselves have."""

import json
from functools import cache
from typing import Any

import pytest

from tests.real_packages.environment import answer
from tests.service_process import REPOSITORY

CONTRACTS = REPOSITORY / "tests" / "doubles" / "contracts"
PACKAGES = ("tritonclient", "text_generation_client")


def contract(package: str) -> dict[str, Any]:
    text = (CONTRACTS / f"{package}.json").read_text("utf-8")
    objects: dict[str, Any] = json.loads(text)["objects"]
    return objects


TARGETS = [(package, target) for package in PACKAGES for target in contract(package)]


@cache
def described(package: str) -> dict[str, Any]:
    objects: dict[str, Any] = answer("describe.py", CONTRACTS / f"{package}.json")
    return objects


def parameters(entries: list[dict[str, Any]]) -> list[list[str | None]]:
    return [[entry["name"], entry["kind"], entry.get("default")] for entry in entries]


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


@pytest.mark.parametrize(("package", "target"), TARGETS, ids=[target for _, target in TARGETS])
def test_the_source_says_what_the_contract_says(package: str, target: str) -> None:
    entry = contract(package)[target]
    source = described(package)[target]["source"]
    if entry["kind"] == "function":
        assert source["parameters"] == parameters(entry["parameters"])
        assert source["type"] == entry["type"]
        return
    if "fields" in entry:
        assert source["fields"] == {f["name"]: f.get("default") for f in entry["fields"]}
    if "members" in entry:
        assert source["members"] == entry["members"]
    if "init" in entry:
        assert source["init"] == parameters(entry["init"]["parameters"])
    assert set(entry.get("methods", ())) <= set(source.get("methods", ()))


@pytest.mark.parametrize(("package", "target"), TARGETS, ids=[target for _, target in TARGETS])
def test_what_can_be_imported_has_the_same_names(package: str, target: str) -> None:
    entry = contract(package)[target]
    names_at_run_time = described(package)[target]["run time"]
    if entry["kind"] == "function":
        assert names_at_run_time == names(entry["parameters"])
    elif "fields" in entry:
        assert set(names_at_run_time) == set(names(entry["fields"]))
    elif "members" in entry:
        assert names_at_run_time == list(entry["members"])
    elif "init" in entry:
        assert names_at_run_time == names(entry["init"]["parameters"])
