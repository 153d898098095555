"""The service of the one backend that is proved: scripts/prove says which."""

from collections.abc import Iterator

import pytest

from tests.conftest import SETTINGS
from tests.service_process import REAL, Service, start_service


@pytest.fixture(scope="session")
def real_service() -> Iterator[Service]:
    """Started once, without a double."""
    assert REAL is not None
    with start_service(REAL, **SETTINGS.get(REAL, {})) as service:
        yield service


@pytest.fixture
def fresh_real_service() -> Iterator[Service]:
    """For a test that ends its service."""
    assert REAL is not None
    with start_service(REAL, **SETTINGS.get(REAL, {})) as service:
        yield service
