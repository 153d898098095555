"""Marks of tests that run only where they can: over a real engine, on GPUs."""

import pytest

from common.models.gpu import detected_gpus
from tests.service_process import REAL


def real(backend: str | None = None, *, gpus: int = 0) -> pytest.MarkDecorator:
    """Returns the mark of a test that runs where `backend` is proved, none is any, and this machine
    has at least so many GPUs."""
    if REAL is None or backend not in (None, REAL):
        return pytest.mark.skip(f"runs over a real engine: scripts/prove {backend or 'BACKEND'}")
    here = len(detected_gpus())
    return pytest.mark.skipif(here < gpus, reason=f"GPUs that are needed: {gpus}; here: {here}")
