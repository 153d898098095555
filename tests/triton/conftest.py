"""The environment that has tritonserver, and one service for the tests that leave it as it is."""

from collections.abc import Iterator

import pytest

from tests.conftest import require_backend
from tests.service_process import Service
from tests.triton.support import triton


@pytest.fixture(scope="session", autouse=True)
def environment() -> None:
    require_backend("triton")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with triton() as started:
        yield started
