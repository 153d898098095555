"""What is put beside each other: conditions, settings, starts, studies over time, publications."""

from pathlib import Path

import pytest

from benchmarks.report.bars import bars
from benchmarks.report.cells import groups
from benchmarks.report.colours import marks
from benchmarks.report.comparison import by_change, compare
from benchmarks.report.export import csv_text, markdown, records
from benchmarks.report.history import history, history_figures
from benchmarks.report.lengths import length_figure
from benchmarks.report.metrics import RATE, Spread
from benchmarks.report.page import report
from benchmarks.report.references import publications, references
from benchmarks.report.runs import ReportedCell, Results, Run, Study
from benchmarks.report.side_by_side import side_by_side
from benchmarks.report.surroundings import differing_settings, starts
from benchmarks.results.files import write
from benchmarks.results.schema import Outcome, Request
from benchmarks.study.reading import plan
from services._backends import backends
from tests.benchmarks.report.synthetic import group, repeats, result
from tests.service_process import REPOSITORY

LLAMA = "meta-llama/Meta-Llama-3-8B-Instruct"


def test_with_and_without_a_system_prompt_lie_side_by_side() -> None:
    plain = group(*repeats("vllm", 2400))
    prompted = group(
        *(result("vllm", 50, n, speed=1200, system_prompt="Be brief.") for n in range(2)),
        *(result("mlc", 50, n, system_prompt="Be brief.") for n in range(2)),
    )
    table = side_by_side([plain, prompted])
    assert table.head[2:5] == (
        "tokens/s: no system prompt",
        "tokens/s: with a system prompt",
        "change, %",
    )
    (row,) = table.rows
    assert row[:2] == ("vLLM", "50 users")
    assert row[4] == pytest.approx(-50, abs=2)


def test_only_the_settings_that_differ_are_listed() -> None:
    runs = [
        Run("a", result("vllm", 50, settings={"dtype": "bfloat16", "prefix_caching": "false"})),
        Run("b", result("sglang", 50, settings={"dtype": "bfloat16", "model": "somewhere"})),
    ]
    table = differing_settings(runs)
    assert table.head == ("", "SGLang", "vLLM")
    assert ("prefix_caching", "default", "false") in table.rows
    assert not {"dtype", "host", "model"} & {row[0] for row in table.rows}


def test_cold_starts_are_counted_by_engine() -> None:
    cells = [
        ReportedCell(id=str(n), status="ok", backend="vllm", model="m", quantization="none",
                     start_seconds=seconds)
        for n, seconds in enumerate((30.0, 40.0, None))
    ]  # fmt: skip
    (row,) = starts([Study(text="", hash="", cells=tuple(cells))]).rows
    assert row[:4] == ("vLLM", "m", "none", 2)
    assert isinstance(row[4], Spread)
    assert (row[4].low, row[4].high) == (30.0, 40.0)


def test_changes_come_first_and_the_greatest_before_the_others() -> None:
    before = [group(*repeats("vllm", 2400), *repeats("sglang", 4000))]
    after = [group(*repeats("vllm", 3000), *repeats("sglang", 4000))]
    changed, same = by_change(compare(before, after))
    assert {row[0] for row in changed.rows} == {"vLLM"}
    sizes = [abs(row[6]) for row in changed.rows if isinstance(row[6], float)]
    assert sizes == sorted(sizes, reverse=True)
    assert {row[0] for row in same.rows} >= {"SGLang"}


def test_any_number_of_studies_lie_over_time() -> None:
    sets = [
        (name, [group(*repeats("vllm", speed), *repeats("mlc", 1000))])
        for name, speed in (("May", 2000), ("June", 2400), ("July", 2800))
    ]
    table = history(sets)
    assert table.head[-3:] == ("May", "June", "July")
    assert len(table.rows) == 4
    figures = [*history_figures(sets, marks(["vLLM", "MLC-LLM"]))]
    assert [len(figure.rows) for figure in figures] == [6, 6]


def request(number: int, prompt_tokens: int, output_tokens: int) -> Request:
    return Request(
        index=number, user=0, prompt=str(number), sent=0, ended=1, outcome=Outcome.OK,
        prompt_tokens=prompt_tokens, output_tokens=output_tokens,
    )  # fmt: skip


def test_the_lengths_of_prompts_are_drawn_and_equal_answers_are_not(tmp_path: Path) -> None:
    measured = result("vllm", 50)
    write(tmp_path, measured, [request(n, 20 + n % 7, 32) for n in range(70)])
    (compared,) = groups([Run(".", measured, folder=tmp_path)])
    figure = length_figure(compared, marks(["vLLM"]))
    assert figure is not None
    assert {row[1] for row in figure.rows} == {"prompts"}
    assert sum(float(row[4] or 0) for row in figure.rows) == pytest.approx(100)


def test_a_published_figure_is_marked_where_model_and_load_are_the_same() -> None:
    measured = group(*(result("vllm", users, 0, model=LLAMA) for users in (50, 100)))
    known = references(measured, RATE)
    assert known["vLLM", 100].figure.high == 2500
    figure = bars(measured, RATE, marks(["vLLM"]), known)
    assert [row[-2:] for row in figure.rows] == [(None, None), (2300, 2500)]
    assert "published figures (BentoML, June 2024, A100 80 GB: https://" in figure.caption
    assert references(group(*repeats("vllm", 2400)), RATE) == {}


def test_published_figures_are_of_backends_and_models_that_a_study_here_measures() -> None:
    studies = [plan(REPOSITORY / "benchmarks" / "studies" / name).study
               for name in ("published.yaml", "published-70b-4bit.yaml")]  # fmt: skip
    models = {model.name for study in studies for model in study.models}
    for publication in publications():
        assert publication.address.startswith("https://")
        assert {each.model for each in publication.figures} <= models
        assert {each.backend for each in publication.figures} <= set(backends())


def test_the_summary_is_the_first_screen_as_markdown_and_every_number_as_csv() -> None:
    runs = tuple(
        Run(f"{name}-{n}", each)
        for name, speed in (("vllm", 2400), ("sglang", 4000))
        for n, each in enumerate(repeats(name, speed))
    )
    complete = report(Results("compared", runs))
    text = markdown(complete)
    assert "- **Fastest at my load?** At 50 users SGLang: " in text
    assert "| SGLang | **2," in text
    rows = csv_text(records(complete)).splitlines()
    assert len(rows) == 3
    assert "TTFT p99, ms" in rows[0]
