"""What a study says that it needs, beside what there is."""

from pathlib import Path

import pytest

from benchmarks.study.cells import cells
from benchmarks.study.needs import lacks, statement
from benchmarks.study.reading import StudyPlan, plan
from benchmarks.study.spec import Needs
from tests.benchmarks.study.support import Run, study, written
from tests.service_process import REPOSITORY

STUDIES = REPOSITORY / "benchmarks" / "studies"


@pytest.fixture
def day(tmp_path: Path) -> StudyPlan:
    """A study that takes a day of load."""
    return plan(written(tmp_path, study(load={"users": 1, "duration": 86400})))


def test_a_study_says_what_it_needs_before_it_starts(day: StudyPlan, tmp_path: Path) -> None:
    needs = Needs(gpu="A100 80 GB", gpu_gib=80, models={"org/big": 15, "org/here": 0.000001})
    blobs = tmp_path / "models--org--here" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "weights").write_bytes(bytes(2000))
    assert statement(needs, cells(day), 90000, tmp_path) == (
        "needs about 25 h 0 min; 1 × A100 80 GB with 80 GiB; of the hub org/big (15 GiB), org/here "
        "(1e-06 GiB), of which 15 GiB are missing; up to 8.05 GiB of results"
    )


def test_what_there_is_too_little_of_is_named(day: StudyPlan, tmp_path: Path) -> None:
    needs = Needs(gpu_gib=10_000, models={"org/big": 1e9})
    disk, hours, gpu = lacks(needs, cells(day), 90000, tmp_path / "not" / "there", 8, tmp_path)
    assert "GiB of disk at" in disk
    assert "GiB are free" in disk
    assert hours == "it takes about 25 h 0 min, and there are 8 h"
    assert gpu.startswith("it needs 1 × GPU with 10000 GiB, and there is ")
    assert lacks(Needs(), [], 0, tmp_path, None, tmp_path) == []


def test_a_study_that_lacks_something_does_not_start(tmp_path: Path) -> None:
    written(tmp_path, study(needs={"gpu_gib": 10_000}, backends=[{"url": "http://127.0.0.1:9"}]))
    run = Run(tmp_path)
    status, output = run()
    assert status == 2
    assert "it needs 1 × GPU with 10000 GiB" in output
    assert "--anyway starts it as it is" in output
    assert not (run.out / "study.json").exists()


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*.yaml")), ids=lambda file: file.stem)
def test_each_study_that_we_ship_can_be_planned(file: Path) -> None:
    study = plan(file)
    sources = {str(cell.model.source) for cell in cells(study) if cell.model.source is not None}
    assert sources == set(study.study.needs.models)
    assert (study.study.needs.gpu_gib is None) == (not sources)


def test_a_model_has_a_checkpoint_for_each_quantization(tmp_path: Path) -> None:
    models = [{"name": "m", "model": {"none": "org/plain", "awq": "org/awq"}}]
    made = cells(plan(written(tmp_path, study(models=models, quantization=["none", "awq"]))))
    assert {(c.quantization, c.model.source) for c in made} == {
        ("none", "org/plain"),
        ("awq", "org/awq"),
    }
