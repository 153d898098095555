"""Which tests run in the same process, when several processes share them."""

import re
from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

from tests.service_process import REPOSITORY

BY_BACKEND = "tests/contract/"
"""Where most tests are asked of every backend, each started once."""
BACKENDS = {file.stem for file in (REPOSITORY / "services").glob("[!_]*.py")}


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
    """By backend, by folder where it has fixtures of its own, else by file."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def group(nodeid: str) -> str:
    """Of a test, from its name: `tests/contract/test_a.py::test_b[vllm-/generate]` is of vllm."""
    path, _, test = nodeid.partition("::")
    words = re.split(r"[-\[\]]", test)
    backend = next((word for word in words[1:] if word in BACKENDS), None)
    if backend is not None and path.startswith(BY_BACKEND):
        return backend
    folder = PurePosixPath(path).parent
    shares = str(folder) != "tests" and (REPOSITORY / folder / "conftest.py").exists()
    return str(folder) if shares else path
