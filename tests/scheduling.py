"""Which tests run in the same process when several processes share them, and which come first.

A fixture of wider scope is shared by the tests of one group: a folder that has a `conftest.py` of
its own, or a file. In tests/contract a group is a backend, and all that start special Echoes. A
test elsewhere that ends a backend's service takes `backend_service`; BY_BACKEND has its file.
"""

import re
from pathlib import PurePosixPath
from typing import Any

from tests.service_process import REPOSITORY

BY_BACKEND = (
    "tests/contract/",
    "tests/clients/",
    "tests/examples/",
    "tests/ray_serve/test_processes.py",
    "tests/processes/test_engine_processes.py",
)
"""Where most tests are asked of several backends, each started once, and those that end it then."""
BACKENDS = {file.stem for file in (REPOSITORY / "services").glob("[!_]*.py")}
LONGEST = (
    "tests/quantization",
    "vllm",
    "sglang",
    "ray_serve",
    "tests/bentos",
    "tests/ray_serve",
    "echo",
    "tests/lmdeploy",
    "transformers",
    "tests/sglang/test_starts.py",
    "tests/processes",
    "lmdeploy",
    "tests/answers",
    "tests/contract",
    "tests/images/test_engines.py",
    "tests/sglang/test_processes.py",
    "tests/gallery",
)
"""Groups that take a minute or more. They begin first: the short ones keep all processes at work
until the end."""


def scheduler(config: Any, log: Any) -> Any:
    """Returns what pytest-xdist asks for the tests that a free process gets next."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return Scheduler(config, log)


def turn(nodeid: str) -> int:
    """Returns the place of a test's group in the order in which groups begin."""
    name = group(nodeid)
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def group(nodeid: str) -> str:
    """Of a test, from its name: `tests/contract/test_a.py::test_b[vllm-/generate]` is of vllm."""
    path, _, test = nodeid.partition("::")
    folder = PurePosixPath(path).parent
    if path.startswith(BY_BACKEND):
        words = re.split(r"[-\[\]]", test)
        return next((word for word in words[1:] if word in BACKENDS), str(folder))
    shares = str(folder) != "tests" and (REPOSITORY / folder / "conftest.py").exists()
    return str(folder) if shares else path
