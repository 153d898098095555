"""The adapter over LMDeploy's own package, in the environment that has it."""

import os
import subprocess

from tests.conftest import require_backend
from tests.service_process import REPOSITORY, interpreter, with_double

FOLDER = "tests/lmdeploy/adapter"
QUICK_START = {"LMDEPLOY_ENABLE_CHECK_ENV": "0", "LMDEPLOY_SKIP_WARMUP": "1"}
"""Each test has an engine of its own; the services' tests start it as users do."""
OPTIONS = ("-p", "no:cacheprovider", "-o", "addopts=", "-W", "ignore", "--noconftest", "-q")


def test_the_adapter_works_with_the_package_itself() -> None:
    """From settings to sessions and stop tokens."""
    require_backend("lmdeploy")
    own = {"PYTHONPATH": str(REPOSITORY), **QUICK_START}
    environment = with_double({**os.environ, **own}, "lmdeploy")
    done = subprocess.run(
        [interpreter("lmdeploy"), "-m", "pytest", *OPTIONS, FOLDER],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )
    summary = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert " passed" in summary
    assert " skipped" not in summary
