"""What the study has its client do."""

from pathlib import Path

import pytest

from benchmarks.load.options import parsed
from benchmarks.results.schema import Subject
from benchmarks.study.cell import LoadCell
from benchmarks.study.cells import cells
from benchmarks.study.client import api_key, load_run
from benchmarks.study.reading import plan
from benchmarks.study.spec import StudyTarget
from tests.benchmarks.study.support import study, written


def test_what_the_file_says_reaches_the_client_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "formal.txt").write_text("@ Be formal.\n")
    (tmp_path / "p.jsonl").write_text('{"prompt": "a"}\n')
    load = {"users": 7, "duration": 9, "ramp": 2, "engine": "aiperf", "max_tokens": 5}
    prompts = {"source": "p.jsonl", "min_words": 3, "max_words": 80, "tokenizer": "org/name"}
    fields = {"price_per_hour": 2.5, "limits": {"tpot": 0.1}, "system_prompt": "formal.txt"}
    (cell,) = cells(plan(written(tmp_path, study(load=load, prompts=prompts, **fields))))
    subject = Subject(backend="echo", model="demo", url="http://host")
    assert isinstance(cell, LoadCell)
    run = load_run(("program",), cell, cell.spec, subject, tmp_path)
    _, spec = parsed(run.command[1:])
    assert spec == cell.spec
    assert (spec.users, spec.duration, spec.ramp, spec.max_tokens) == (7, 9, 2, 5)
    assert (spec.engine, spec.price_per_hour, spec.limits.tpot) == ("aiperf", 2.5, 0.1)
    assert spec.system_prompt == "@ Be formal."
    assert spec.prompts.source == str(tmp_path / "p.jsonl")
    lengths = (spec.prompts.min_words, spec.prompts.max_words, spec.prompts.tokenizer)
    assert lengths == (3, 80, "org/name")


def test_a_key_is_for_whom_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", "ours,more")
    monkeypatch.setenv("THEIRS", "their-key")
    monkeypatch.delenv("LLM_API_KEY", raising=False)
    there = {"url": "http://host"}
    assert api_key(StudyTarget.model_validate({"backend": "echo"})) == "ours"
    assert api_key(StudyTarget.model_validate(there)) is None
    assert api_key(StudyTarget.model_validate({**there, "key_variable": "THEIRS"})) == "their-key"
    monkeypatch.setenv("LLM_API_KEY", "mine")
    assert api_key(StudyTarget.model_validate(there)) == "mine"
    assert api_key(StudyTarget.model_validate({"backend": "echo"})) == "ours"
