"""What the study has its client do."""

from pathlib import Path

import pytest

from benchmarks.load.options import parsed
from benchmarks.results.schema import Subject
from benchmarks.study.cells import cells
from benchmarks.study.client import Endpoint, api_key, arguments
from benchmarks.study.reading import plan
from benchmarks.study.spec import Target
from tests.benchmarks.study.support import study, written


def test_every_word_of_the_file_reaches_the_client(tmp_path: Path) -> None:
    load = {"users": 7, "duration": 9, "ramp": 2, "engine": "aiperf", "max_tokens": 5}
    prompts = {"source": "builtin", "min_words": 3, "max_words": 80, "tokenizer": "org/name"}
    made = plan(written(tmp_path, study(load=load, prompts=prompts, price_per_hour=2.5)))
    (cell,) = cells(made)
    subject = Subject(backend="echo", model="demo", url="http://host")
    there = Endpoint("http://host", "demo", "http://host/metrics", None, subject)
    options, spec = parsed(arguments(made, cell, there, tmp_path))
    assert (spec.users, spec.duration, spec.ramp, spec.max_tokens) == (7, 9, 2, 5)
    assert (options.engine, options.price_per_hour) == ("aiperf", 2.5)
    lengths = (options.min_prompt_words, options.max_prompt_words, options.tokenizer)
    assert lengths == (3, 80, "org/name")


def test_a_key_is_for_whom_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", "ours,more")
    monkeypatch.setenv("THEIRS", "their-key")
    monkeypatch.delenv("LLM_API_KEY", raising=False)
    there = {"url": "http://host"}
    assert api_key(Target.model_validate({"backend": "echo"})) == "ours"
    assert api_key(Target.model_validate(there)) is None
    assert api_key(Target.model_validate({**there, "key_variable": "THEIRS"})) == "their-key"
    monkeypatch.setenv("LLM_API_KEY", "mine")
    assert api_key(Target.model_validate(there)) == "mine"
    assert api_key(Target.model_validate({"backend": "echo"})) == "ours"
