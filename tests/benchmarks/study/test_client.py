"""What the study has its client do."""

from pathlib import Path

from benchmarks.load.options import parsed
from benchmarks.results.schema import Subject
from benchmarks.study.cells import cells
from benchmarks.study.client import Endpoint, arguments
from benchmarks.study.reading import plan
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
