"""Checks a deployment in this process, as scripts/deploy --dry-run does in its own."""

from collections.abc import Mapping

import pytest

from bentocloud.check import check
from bentocloud.config import DeployError, override, read_config
from build_scripts.bentos.table import ROOT, bento
from common.errors import StartError


def plan(backend: str, *overrides: str, arguments: Mapping[str, str] | None = None) -> str | None:
    """Returns the plan's sentence. Raises DeployError or StartError."""
    target = bento(backend)
    config = read_config(ROOT / target.file("deployment.yaml"))
    for text in overrides:
        override(config, target.service, text)
    return check(config, target, arguments or {})


def refusal(backend: str, *overrides: str, arguments: Mapping[str, str] | None = None) -> str:
    """Returns the line that tells what is wrong."""
    with pytest.raises((DeployError, StartError)) as caught:
        plan(backend, *overrides, arguments=arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)
