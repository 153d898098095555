"""The tests of this folder share one process, which ends with them."""

from collections.abc import Iterator

import pytest

from tests.xgrammar.support import end_grammars


@pytest.fixture(scope="package", autouse=True)
def _grammars_end() -> Iterator[None]:
    yield
    end_grammars()
