"""What the report says follows from the numbers, and says how sure it is."""

import csv
import json
import shlex
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from benchmarks.load.options import parsed
from benchmarks.report.__main__ import main
from benchmarks.report.cells import Group, groups
from benchmarks.report.colours import marks
from benchmarks.report.comparison import compare
from benchmarks.report.criteria import UNDECLARED, criteria, undeclared_criteria
from benchmarks.report.curves import logarithmic_ticks
from benchmarks.report.figures import figures
from benchmarks.report.html import html
from benchmarks.report.names import titles
from benchmarks.report.page import report
from benchmarks.report.repeating import commands
from benchmarks.report.runs import Results, Run, conditions, find_results
from benchmarks.report.tables import outcomes, summary
from benchmarks.report.timelines import timelines
from benchmarks.results.files import write
from benchmarks.results.schema import Distribution
from services._backends import backends
from tests.benchmarks.report.synthetic import MANIFEST, group, repeats, result, study
from tests.service_process import REPOSITORY


def test_a_backend_looks_the_same_whoever_is_beside_it() -> None:
    alone, beside = marks(["vLLM"]), marks(["Echo", "vLLM", "somebody-elses"])
    assert alone["vLLM"] == beside["vLLM"]
    assert len({(mark.slot, mark.shape) for mark in beside.values()}) == 3


def test_an_upgrade_is_compared_cell_by_cell() -> None:
    before = [group(*repeats("vllm", 2400), *repeats("sglang", 4000))]
    after = [group(*repeats("vllm", 3000), *repeats("sglang", 4000))]
    rows = {(row[0], row[2]): row for row in compare(before, after).rows}
    assert rows["vLLM", "Token rate, tokens/s"][-1] == "better"
    assert rows["SGLang", "Token rate, tokens/s"][-1] == "no difference shown"
    gone = compare(before, [group(*repeats("vllm", 2400))]).rows
    title = before[0].condition.title
    assert ("SGLang", "50 users", "", title, None, None, None, "only before") in gone


def test_what_results_say_cannot_become_part_of_the_page() -> None:
    evil = "<script>alert(1)</script>"
    runs = (Run(evil, result("vllm", model=evil, quantization=evil, settings={"x": evil})),)
    text = html(report(Results(evil, runs, unreadable=(evil,))))
    assert "<script>alert" not in text
    assert text.count("<script>") == 1


def test_what_was_not_measured_is_not_drawn_and_said() -> None:
    runs = [result("vllm", 50, n, gpu=False) for n in range(2)]
    bare = [
        each.model_copy(update={"plateau": each.plateau.model_copy(update={"goodput": None})})
        for each in runs
    ]
    compared = group(*bare)
    drawn = [*figures(compared, marks(["vLLM"])), *timelines(compared, marks(["vLLM"]))]
    assert not any("Goodput" in figure.title for figure in drawn)
    (machine,) = (figure for figure in drawn if figure.title.startswith("The machine"))
    assert "Not drawn: no GPU was sampled." in machine.caption
    assert not any(row[1] == "gpu" for row in machine.rows)


def test_the_limits_of_goodput_and_the_spread_are_in_the_captions() -> None:
    captions = {f.title: f.caption for f in figures(group(*repeats("vllm", 1)), marks(["vLLM"]))}
    assert "TTFT 1 s and TPOT 50 ms" in captions["Goodput"]
    assert "whiskers run from the least to the greatest" in captions["Token rate"]


def test_a_logarithmic_axis_has_ticks_of_one_two_and_five() -> None:
    assert logarithmic_ticks([18, 0.9, 260]) == [1, 2, 5, 10, 20, 50, 100, 200]


def test_every_backend_has_the_other_criteria_with_their_source() -> None:
    declared = undeclared_criteria()
    assert set(declared) == set(backends()) - {"echo"}
    assert all(set(row) == set(UNDECLARED) and all(row.values()) for row in declared.values())
    rows = criteria([*backends(), "somebody-elses"]).rows
    assert [row[0] for row in rows] == [*titles().values()]


def test_how_the_requests_ended_is_counted_by_kind() -> None:
    table = outcomes(group(*[result("transformers", 50, n) for n in range(2)]))
    row = dict(zip(table.head, table.rows[0], strict=True))
    assert (row["in band error"], row["http error"], row["runs"]) == (6, 2, 2)


def test_what_a_study_could_not_measure_and_how_to_repeat_it_are_stated(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "mlc-10-0: failed, its service was not ready in 60 s" in text
    assert "backends: [sglang, lmdeploy, vllm, transformers]" in text
    assert MANIFEST["hash"] in text
    assert "a" * 64 in text


def test_what_a_failed_cell_left_is_not_compared(tmp_path: Path) -> None:
    folder = study(tmp_path, ("vllm", "sglang"), (10,), 1)
    write(folder / "cells" / MANIFEST["cells"][0]["id"], result("mlc", 10), [])
    assert {run.result.subject.backend for run in find_results(folder).runs} == {"vllm", "sglang"}


def test_without_a_study_the_command_of_each_run_is_stated() -> None:
    runs = (Run("a", result("vllm", 5, system_prompt="Be brief; <b>now</b>.")),)
    (command,) = commands(runs)
    _, spec = parsed(shlex.split(command)[3:])
    assert (spec.url, spec.users, spec.max_tokens) == ("http://localhost:3000", 5, 128)
    assert spec.system_prompt == "Be brief; <b>now</b>."
    assert command in unescape(html(report(Results("alone", runs))))


def test_an_axis_of_percentiles_has_ticks_whatever_their_range() -> None:
    narrow = [result("vllm", 50, n) for n in range(2)]
    flat = Distribution(count=9, mean=1, std=0, min=1, p50=1, p90=1.01, p95=1.02, p99=1.03, max=2)
    compared = group(
        *(each.model_copy(update={"plateau": each.plateau.model_copy(update={"ttft": flat})})
          for each in narrow)
    )  # fmt: skip
    (figure,) = (
        each
        for each in figures(compared, marks(["vLLM"]))
        if each.title == "Time to first token: percentiles"
    )
    assert ">1,000<" in figure.svg
    assert "logarithmic" not in figure.svg


def test_an_unreadable_result_is_named_and_the_rest_is_reported(tmp_path: Path) -> None:
    study(tmp_path, backends=("vllm",), users=(10,), repeats=2)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.json").write_text("{}")
    results = find_results(tmp_path)
    assert len(results.runs) == 2
    assert [line.split(":")[0] for line in results.unreadable] == ["broken/result.json"]
    assert "broken/result.json" in html(report(results))


def test_the_page_has_no_address_of_another(page: Path) -> None:
    text = page.read_text("utf-8")
    for sign in ('src="http', '<link rel="stylesheet', "url(http", "@import", "fetch("):
        assert sign not in text
    assert "Content-Security-Policy" in text


def test_numbers_and_figures_lie_beside_the_page(page: Path) -> None:
    rows = json.loads((page.parent / "summary.json").read_text("utf-8"))
    with (page.parent / "summary.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(rows) == len(table) == 11
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


def test_engines_with_names_of_their_own_for_4_bits_are_compared() -> None:
    names = {"lmdeploy": "awq", "mlc": "q4f16_1", "tensorrt_llm": "int4_awq", "vllm": "w4a16"}
    compared = groups(
        Run(backend, result(backend, quantization=name)) for backend, name in names.items()
    )
    assert [one.condition.quantization for one in compared] == ["4-bit weights"]
    assert len(compared[0].cells) == 4


def test_the_conditions_are_one_line_under_the_title() -> None:
    runs = tuple(Run(name, result(name, n)) for name in ("vllm", "lmdeploy") for n in (10, 50))
    results = Results("x", runs)
    expected = (
        "made-up-host, Made-up GPU 80 GB; LMDeploy 1.2.3, vLLM 1.2.3; 2026-11-01; 10 and 50 users"
    )
    assert conditions(results) == expected
    assert f'<main>\n<p class="quiet">{expected}</p>' in html(report(results))


def test_two_schemes_of_one_backend_stay_apart_and_are_compared() -> None:
    (compared,) = groups(
        Run(scheme, result("vllm", quantization=scheme)) for scheme in ("awq", "gptq")
    )
    assert [cell.backend for cell in compared.cells] == ["vLLM, awq", "vLLM, gptq"]


def test_eight_bits_are_not_compared_with_four() -> None:
    names = ("gptq", "gptq-8bit", "w8a16")
    compared = groups(Run(name, result("vllm", quantization=name)) for name in names)
    assert [one.condition.quantization for one in compared] == ["4-bit weights", *names[1:]]


def test_one_run_before_and_one_after_show_no_difference_without_a_range() -> None:
    one = result("vllm", 50)
    slower = one.model_copy(update={"plateau": one.plateau.model_copy(update={"goodput": 0.1})})
    rows = compare([group(one)], [group(slower)]).rows
    shown = {row[2]: row[-1] for row in rows}
    assert shown["Goodput, requests/s within the limits"] == "no difference shown"


def test_another_machine_and_other_prompts_are_stated_beside_a_change() -> None:
    before = group(*repeats("vllm", 2400))
    elsewhere = [
        each.model_copy(
            update={
                "environment": each.environment.model_copy(update={"host": "other"}),
                "prompts": each.prompts.model_copy(update={"hash": "c" * 64}),
            }
        )
        for each in repeats("vllm", 4000)
    ]
    rows = compare([before], [group(*elsewhere)]).rows
    assert rows[0][-1] == "better (other prompts and machine)"


def test_fewer_repeats_of_the_same_prompts_are_no_other_prompts() -> None:
    def asked(speed: float, hashes: str) -> Group:
        return group(
            *(
                each.model_copy(update={"prompts": each.prompts.model_copy(update={"hash": hash_})})
                for each, hash_ in zip(repeats("vllm", speed, len(hashes)), hashes, strict=True)
            )
        )

    rows = compare([asked(2400, "abc")], [asked(4000, "ab")]).rows
    assert rows[0][-1] == "better (other repeats)"
    rows = compare([asked(2400, "abc")], [asked(4000, "axc")]).rows
    assert rows[0][-1] == "better (other prompts)"


def test_a_rate_that_did_not_clearly_change_is_no_change_of_zero() -> None:
    table = summary(group(*repeats("vllm", 2400)))
    assert table.rows[0][table.head.index("rate, last third to first, %")] == "–"


def test_a_long_seed_is_stated_whole() -> None:
    measured = result("vllm", 5)
    seeded = measured.model_copy(
        update={"load": measured.load.model_copy(update={"seed": 20240601})}
    )
    (command,) = commands((Run("a", seeded),))
    _, spec = parsed(shlex.split(command)[3:])
    assert (spec.seed, spec.model) == (20240601, None)
