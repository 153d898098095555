"""Checks a deployment file in this process, as scripts/deploy --dry-run does in its own."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

with warnings.catch_warnings(action="ignore"):
    from build_scripts.deploy.check import check_document
    from build_scripts.deploy.document import read_document
    from build_scripts.deploy.errors import DeployError
    from build_scripts.deploy.overrides import override
    from build_scripts.deploy.target import find_target


def check(
    backend: str,
    *overrides: str,
    path: Path | None = None,
    arguments: Mapping[str, str] | None = None,
    needs: Sequence[str] = (),
) -> str | None:
    """The plan's sentence. Raises DeployError."""
    target = find_target(backend)
    document = read_document(path or target.deployment, "deployment.yaml")
    for text in overrides:
        override(document, target.service, text)
    return check_document(document, target, arguments or {}, needs)


def refusal(
    backend: str,
    *overrides: str,
    path: Path | None = None,
    arguments: Mapping[str, str] | None = None,
    needs: Sequence[str] = (),
) -> str:
    """The line that tells what is wrong."""
    with pytest.raises(DeployError) as caught:
        check(backend, *overrides, path=path, arguments=arguments, needs=needs)
    line = str(caught.value)
    assert "\n" not in line
    return line
