"""One service with TurboMind's stand-in, which the tests of this folder share."""

from collections.abc import Iterator

import pytest

from tests.service_process import Service, start_service


@pytest.fixture(scope="package")
def turbomind() -> Iterator[Service]:
    with start_service("lmdeploy") as service:
        yield service
