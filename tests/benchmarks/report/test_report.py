"""What the report says follows from the numbers, and says how sure it is."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.report.__main__ import main
from benchmarks.report.cells import Group, groups
from benchmarks.report.colours import marks
from benchmarks.report.comparison import compare
from benchmarks.report.conclusion import conclusion
from benchmarks.report.page import html, report
from benchmarks.report.runs import Found, Run
from benchmarks.results.schema import Result
from tests.benchmarks.report.made_up import result, study
from tests.serving import REPOSITORY


def group(*results: Result) -> Group:
    (found,) = groups(Run(str(number), each) for number, each in enumerate(results))
    return found


def repeats(backend: str, speed: float, count: int = 3, noise: float = 0.01) -> list[Result]:
    return [result(backend, 50, n, speed=speed, noise=noise) for n in range(count)]


def test_a_clear_difference_is_ranked() -> None:
    told = conclusion(group(*repeats("vllm", 2400), *repeats("echo", 4000)))
    assert told[0].startswith("At 50 users echo (")
    assert "has the highest token rate, before vllm (" in told[0]


def test_a_difference_within_the_spread_is_not_ranked() -> None:
    told = conclusion(group(*repeats("vllm", 2400, noise=0.1), *repeats("echo", 2450, noise=0.1)))
    assert "no difference is shown in highest token rate between" in told[0]


def test_one_repeat_alone_is_told_as_such() -> None:
    told = conclusion(group(*repeats("vllm", 2400, 1), *repeats("echo", 4000, 1)))
    assert any("were measured once" in sentence for sentence in told)


def test_a_void_run_counts_for_nothing_and_is_told() -> None:
    slow = result("vllm", 50, 9, speed=1, void=("the client lagged",))
    made = group(*repeats("vllm", 2400), *repeats("echo", 4000), slow)
    assert any(sentence.startswith("1 run was void") for sentence in conclusion(made))
    assert min(r.plateau.tokens_per_second for c in made.cells for r in c.valid) > 100


def test_a_rate_that_falls_is_told() -> None:
    told = conclusion(group(*repeats("lmdeploy", 3600)))
    assert any(sentence.startswith("The rate of lmdeploy at 50 users fell") for sentence in told)
    steady = conclusion(group(*repeats("vllm", 3600)))
    assert not any("fell" in sentence for sentence in steady)


def test_a_backend_looks_the_same_whoever_is_beside_it() -> None:
    alone, beside = marks(["vllm"]), marks(["echo", "vllm", "somebody-elses"])
    assert alone["vllm"] == beside["vllm"]
    assert len({(mark.slot, mark.shape) for mark in beside.values()}) == 3


def test_an_upgrade_is_compared_cell_by_cell() -> None:
    before = [group(*repeats("vllm", 2400), *repeats("echo", 4000))]
    after = [group(*repeats("vllm", 3000), *repeats("echo", 4000))]
    rows = {(row[0], row[2]): row for row in compare(before, after).rows}
    assert rows["vllm", "Token rate, tokens/s"][-1] == "better"
    assert rows["echo", "Token rate, tokens/s"][-1] == "no difference shown"
    gone = compare(before, [group(*repeats("vllm", 2400))]).rows
    assert ("echo", "50 users", "", None, None, None, "only before") in gone


def test_what_results_say_cannot_become_part_of_the_page() -> None:
    evil = "<script>alert(1)</script>"
    runs = (Run(evil, result("vllm", model=evil, quantization=evil, settings={"x": evil})),)
    made = html(report(Found(evil, runs, unreadable=(evil,))))
    assert "<script>alert" not in made
    assert made.count("<script>") == 1


def test_the_page_has_no_address_of_another(page: Path) -> None:
    text = page.read_text("utf-8")
    for sign in ('src="http', 'href="http', "url(http", "@import", "fetch("):
        assert sign not in text
    assert "Content-Security-Policy" in text


def test_numbers_and_figures_lie_beside_the_page(page: Path) -> None:
    rows = json.loads((page.parent / "summary.json").read_text("utf-8"))
    with (page.parent / "summary.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(rows) == len(table) == 10
    assert float(table[0]["Token rate, tokens/s"]) == rows[0]["Token rate, tokens/s"]
    drawn = sorted((page.parent / "figures").iterdir())
    assert len([each for each in drawn if each.suffix == ".png"]) * 2 == len(drawn) >= 30
    assert all(each.stat().st_size > 1000 for each in drawn)


def test_two_folders_are_compared_by_the_command(
    tmp_path: Path, studied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = study(tmp_path / "later", backends=("vllm",), users=(10,), repeats=2)
    assert main([str(studied), str(later), "--out", str(tmp_path / "out")]) == 0
    assert "Before and after" in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "report.html")


def test_a_folder_without_results_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.report", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path}: no readable result.json in it\n"
