"""Which tests start nothing: those to run while editing."""

import ast
from functools import cache
from pathlib import Path

from tests.service_process import REPOSITORY

STARTERS = {
    *("subprocess", "start_service", "refusal"),
    *("create_subprocess_exec", "GuardedProcess", "Popen"),
}
"""Names by which a module of tests starts a process."""
SERVICES = {"backend_service", "echo_service", "fresh_echo_service"}
"""Fixtures of tests/conftest.py that start one."""
BY_NAME = {"tests.conftest", "tests.service_process"}
"""Helpers of which only those names start a process."""
SLOW = ("tests/benchmarks/report", "tests/demo_model", "tests/quantization")
"""Folders whose tests draw with a browser, train or quantize."""


def is_quick(file: Path) -> bool:
    """Returns whether the tests of `file` start no process, nor do the helpers they import."""
    if str(file.relative_to(REPOSITORY)).startswith(SLOW):
        return False
    conftest = file.with_name("conftest.py")
    own = [conftest] if conftest.exists() and file.parent != REPOSITORY / "tests" else []
    return not any(map(starts_processes, [file, *own]))


@cache
def starts_processes(file: Path) -> bool:
    """Returns whether the module, or a module of tests/ that it imports from, starts a process."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
            if node.module is not None and _helper(node.module, file):
                return True
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
    return bool(names & (STARTERS | SERVICES))


def _helper(module: str, importer: Path) -> bool:
    """Returns whether `module` is a helper of tests that starts processes."""
    file = REPOSITORY.joinpath(*module.split(".")).with_suffix(".py")
    known = module.startswith("tests.") and module not in BY_NAME and file.exists()
    return known and file != importer and starts_processes(file)
