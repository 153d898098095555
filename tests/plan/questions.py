"""Asking for plans."""

from typing import Any

import pytest

from common.plan.choice import Artifacts
from common.plan.decide import Plan, Question, decide, nothing_built
from common.plan.devices import Device, named_device
from common.plan.errors import Refused
from common.plan.facts import ModelFacts
from common.plan.tables import tables
from common.plan.wish import Wish

TABLES = {table.name: table for table in tables()}
CPU = Device("cpu", "cpu", 16 * 2**30, count=1)


def plan(
    backend: str,
    facts: ModelFacts,
    gpu: str | Device = "a100-80gb",
    artifacts: Artifacts = nothing_built,
    **wish: Any,
) -> Plan:
    device = gpu if isinstance(gpu, Device) else named_device(gpu)
    return decide(Question(facts, TABLES[backend], device, Wish(**wish), artifacts))


def refusal(backend: str, facts: ModelFacts, gpu: str | Device = "a100-80gb", **wish: Any) -> str:
    """The one line that there is instead of a plan."""
    with pytest.raises(Refused) as refused:
        plan(backend, facts, gpu, **wish)
    message = str(refused.value)
    assert "\n" not in message
    return message
