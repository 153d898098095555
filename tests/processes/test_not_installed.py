"""A service whose engine is missing says so in one line, and ends with exit code 1."""

import importlib.util
import os
import sys
from pathlib import Path

from tests.conftest import BACKENDS
from tests.refusals import lines_of_checks
from tests.service_process import package_name


def missing() -> dict[str, str]:
    """The backends whose package this environment lacks."""
    packages = {backend: package_name(backend) for backend in BACKENDS}
    return {
        backend: package
        for backend, package in packages.items()
        if package is not None and importlib.util.find_spec(package) is None
    }


def test_a_missing_engine_is_one_line_that_names_the_extra() -> None:
    packages = missing()
    assert len(packages) >= 4
    checks = [(backend, dict[str, str]()) for backend in packages]
    lines = lines_of_checks(Path(sys.executable), os.environ, checks)
    for line, (backend, package) in zip(lines, packages.items(), strict=True):
        assert line.startswith(f"error: {package} is not installed; install the extra {backend!r}")
