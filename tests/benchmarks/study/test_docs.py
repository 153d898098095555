"""The page on studies names what a study file may say, with its defaults."""

import re

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from benchmarks.load.spec import Limits, PromptSelection
from benchmarks.load.sweep_spec import SweepSettings
from benchmarks.study.spec import Exclusion, Needs, StudyFile, StudyLoad, StudyTarget
from tests.service_process import REPOSITORY

PAGE = (REPOSITORY / "docs" / "studies.md").read_text("utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \|(.*?)\|", PAGE, re.MULTILINE))


@pytest.mark.parametrize("part", [StudyFile, StudyLoad])
def test_each_field_has_a_row_with_its_default(part: type[BaseModel]) -> None:
    for name, field in part.model_fields.items():
        default = field.get_default()
        shown = ROWS[name].strip(" `")
        if default in (PydanticUndefined, None) or isinstance(default, Limits | Needs):
            assert shown == "", name
        elif isinstance(default, PromptSelection):
            assert shown == default.source
        elif name == "models":
            assert shown == default[0].name
        elif isinstance(default, bool):
            assert shown == str(default).lower(), name
        elif isinstance(default, tuple):
            assert shown == (default[0] if default else "[]"), name
        else:
            assert shown == str(default), name


@pytest.mark.parametrize(
    "part", [StudyTarget, Exclusion, PromptSelection, Limits, Needs, SweepSettings]
)
def test_each_field_of_a_part_is_named(part: type[BaseModel]) -> None:
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", PAGE))))
    assert set(part.model_fields) <= words


def test_the_studies_that_we_ship_are_in_the_table() -> None:
    files = {file.name for file in (REPOSITORY / "benchmarks" / "studies").glob("*.yaml")}
    assert files == set(re.findall(r"^\| `([\w-]+\.yaml)` \|", PAGE, re.MULTILINE))
