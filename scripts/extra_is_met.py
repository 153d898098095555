"""scripts/extra_is_met.py BACKEND: exit 0 when this Python has all that its extra asks for."""

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement


def is_met(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False


def main(backend: str) -> int:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    extra = project["project"]["optional-dependencies"][backend]
    return 0 if all(is_met(Requirement(line)) for line in extra) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
