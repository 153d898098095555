"""The packages of an interpreter, which may be another one than this."""

import json
import subprocess
from collections.abc import Iterable, Sequence

ASK = """
import importlib.metadata as m, json, platform, sys
versions = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try: versions[name] = m.version(name)
    except m.PackageNotFoundError: pass
print(json.dumps(versions))
"""
TIMEOUT = 60.0


def installed(python: Sequence[str], names: Iterable[str]) -> dict[str, str]:
    """Returns the versions of those packages that the interpreter `python` has, and its own by the
    name "python"; nothing where it cannot tell. Blocks."""
    try:
        asked = subprocess.run(
            [*python, "-c", ASK, *names],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
        return dict(json.loads(asked.stdout.splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return {}
