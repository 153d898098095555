"""Runs the checks of services' supervisors with one set of settings after another.

Run by the Python of the engine, as tests/refusals.py says. Standard input is a JSON list of a
backend, its service's name and environment variables; standard output becomes a list of the exit
status and the output of each check.
"""

import importlib
import json
import os
import sys
from typing import Any


def check(service: Any, environment: dict[str, str]) -> tuple[int, str]:
    """Returns the exit status, 0 where the service would start, and all that was printed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        for stream in (1, 2):
            os.dup2(writer, stream)
        os.environ.update(environment)
        status: Any = 0
        try:
            service.inner.check()
        except SystemExit as ended:
            status = ended.code
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.close(writer)
    with open(reader, encoding="utf-8") as output:
        text = output.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def main() -> None:
    results = [
        check(getattr(importlib.import_module(f"services.{backend}"), name), environment)
        for backend, name, environment in json.load(sys.stdin)
    ]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
