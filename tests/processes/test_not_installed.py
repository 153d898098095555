"""A service whose engine is missing says so in one line, and ends with exit code 1."""

import importlib.util

from tests.conftest import BACKENDS
from tests.service_process import Service, package_name, start_service

SECONDS = 90.0


def missing() -> dict[str, str]:
    """The backends whose package this environment lacks."""
    packages = {backend: package_name(backend) for backend in BACKENDS}
    return {
        backend: package
        for backend, package in packages.items()
        if package is not None and importlib.util.find_spec(package) is None
    }


def refusal(service: Service) -> list[str]:
    try:
        assert service.process.wait(SECONDS) == 1
    finally:
        service.process.kill()
        service.http.close()
    return [line for line in service.log_text().splitlines() if line and "[INFO]" not in line]


def test_a_missing_engine_is_one_line_that_names_the_extra() -> None:
    started = {
        backend: start_service(backend, wait=False, doubled=False, own_environment=False)
        for backend in missing()
    }
    assert len(started) >= 4
    refusals = {backend: refusal(service) for backend, service in started.items()}
    for backend, package in missing().items():
        (line,) = refusals[backend]
        assert line.startswith(f"error: {package} is not installed; install the extra {backend!r}")
