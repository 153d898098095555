"""Schemathesis, which makes requests of any OpenAPI document, finds nothing against ours."""

import re
from pathlib import Path

import pytest

from tests.conftest import ADAPTERS, EchoFactory
from tests.operations.tools import SCHEMAS, missing, run
from tests.service_process import Service

UNSAID = "positive_data_acceptance,negative_data_rejection"
"""A document cannot say that two fields exclude each other, nor which token ids a model has."""
EXAMPLES = "5"
"""Of each operation."""


@pytest.fixture
def service(echo_service: EchoFactory, tmp_path_factory: pytest.TempPathFactory) -> Service:
    return echo_service(
        adapters=f"terse={ADAPTERS['terse']}",
        adapter_loading=str(ADAPTERS["terse"].parent),
        batch_dir=str(tmp_path_factory.getbasetemp() / "schemathesis"),
        engine_args={"length": 8},
    )


def test_every_operation_answers_as_the_document_says(service: Service, tmp_path: Path) -> None:
    if not SCHEMAS.exists():
        missing("the environment of the schemas is not here: run scripts/setup schemas")
    url = f"{service.url}/openapi.json"
    options = f"--seed 1 -n {EXAMPLES} --phases fuzzing --exclude-checks {UNSAID} --no-color"
    done = run(
        SCHEMAS.with_name("schemathesis"), "run", url, *options.split(), "--continue-on-failure",
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    tested = re.search(r"Tested: (\d+)", done.stdout)
    paths = service.http.get("/openapi.json").json()["paths"].values()
    assert tested is not None
    assert int(tested[1]) == sum(map(len, paths))
    assert "[ERROR]" not in service.log_text()
