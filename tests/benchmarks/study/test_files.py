"""A mistake in a study file is named with its line and what is allowed."""

from pathlib import Path

import pytest

from benchmarks.study.cells import cells
from benchmarks.study.reading import plan
from benchmarks.study.yaml_text import StudyError
from tests.benchmarks.study.mistakes import HEAD, MISTAKES
from tests.benchmarks.study.support import written
from tests.service_process import REPOSITORY


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_what_is_allowed(tmp_path: Path, mistake: str) -> None:
    text, expected = MISTAKES[mistake]
    with pytest.raises(StudyError) as caught:
        cells(plan(written(tmp_path, text)))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(tmp_path / "study.yaml"))
    assert expected in line


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = HEAD + "order: x\nseed: y\nbackends: [{backend: echo}]"
    with pytest.raises(StudyError) as caught:
        plan(written(tmp_path, text))
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == [" seed", " order"]


def test_bad_lines_of_a_task_are_counted_and_named(tmp_path: Path) -> None:
    good = '{"prompt": "a", "choices": ["b", "c"], "answer": 0}'
    bad = ('{"prompt": "a", "choices": ["b", "c"], "answer": 2}', "{", '{"choices": ["b", "c"]}')
    (tmp_path / "q.jsonl").write_text("\n".join((bad[0], good, *bad[1:])))
    text = HEAD + "backends: [{backend: echo}]\nquality:\n  - {kind: choice, file: q.jsonl}"
    with pytest.raises(StudyError) as caught:
        plan(written(tmp_path, text))
    said = str(caught.value).partition("quality[0].file: ")[2]
    assert said == (
        "3 of 4 lines cannot be used: line 1: 'answer' is 2, but there are 2 choices; "
        "line 3: is no JSON; line 4: 'answer': Field required"
    )


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"there\.yaml: No such file"):
        plan(tmp_path / "there.yaml")


@pytest.mark.parametrize("file", sorted((REPOSITORY / "benchmarks" / "studies").glob("*.yaml")))
def test_the_studies_that_we_ship_are_good(file: Path) -> None:
    assert cells(plan(file))
