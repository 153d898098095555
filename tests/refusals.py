"""What a service says that must not start: its one line, without its log.

A setting that is refused before anything starts belongs into `refusals_before_start`: it takes one
process for all of them, where `refusal` takes the two or three of a service for each.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.service_process import (
    REPOSITORY,
    START_DEADLINE,
    interpreter,
    service_name,
    start_service,
    variables,
    with_double,
)

SCRIPT = "tests.refuse_before_start"


def refusal_lines(backend: str, **settings: Any) -> list[str]:
    """Returns all that a service prints beside its log, when it ends itself with exit code 1."""
    service = start_service(backend, wait=False, **settings)
    try:
        assert service.process.wait(START_DEADLINE) == 1
    finally:
        service.stop()
    return [line for line in service.log_text().splitlines() if line and "[INFO]" not in line]


def refusal(backend: str, **settings: Any) -> str:
    """Returns the line of `error: ` of a service that ends itself; there may be no other error."""
    lines = refusal_lines(backend, **settings)
    (line,) = [line for line in lines if line.startswith("error: ")]
    return line


def refusals_before_start(
    backend: str, *given: Mapping[str, Any], home: Path | None = None
) -> list[str]:
    """Returns the one line of each of the given settings, which the supervisor's check refuses.

    `home` is a BENTOML_HOME; without it, the store is empty.
    """
    environment = with_double({**os.environ}, backend)
    checks = [(backend, settings) for settings in given]
    return lines_of_checks(interpreter(backend), environment, checks, home)


def lines_of_checks(
    python: Path,
    environment: Mapping[str, str],
    checks: Iterable[tuple[str, Mapping[str, Any]]],
    home: Path | None = None,
) -> list[str]:
    """Returns the one line of the check of each backend with its settings.

    Each runs in a child of one process of `python`, with `environment` and the store in `home`.
    """
    store = str(home or tempfile.mkdtemp(prefix="refuse-"))
    given = [(backend, service_name(backend), variables(settings)) for backend, settings in checks]
    done = subprocess.run(
        [python, "-W", "ignore", "-m", SCRIPT],
        input=json.dumps(given),
        cwd=REPOSITORY,
        env={**environment, "BENTOML_HOME": store, "BENTOML_DO_NOT_TRACK": "True"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [_line(status, output) for status, output in json.loads(done.stdout)]


def _line(status: int, output: str) -> str:
    assert status == 1, f"exit status {status}: {output}"
    (line,) = output.splitlines()
    assert isinstance(line, str)
    assert line.startswith("error: ")
    return line
