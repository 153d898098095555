"""Asking for plans."""

from typing import Any

import pytest

from common.errors import StartError
from common.models.facts import ModelFacts
from common.plan.choice import BuiltCheckpoints
from common.plan.decide import Plan, decide
from common.plan.devices import Device, named_device
from common.plan.inputs import PlanInputs, nothing_built
from common.plan.options import LoadOptions
from common.plan.tables import tables

TABLES = {table.name: table for table in tables()}
CPU = Device("cpu", "cpu", 16 * 2**30, count=1)


def plan(
    backend: str,
    facts: ModelFacts,
    gpu: str | Device = "a100-80gb",
    checkpoints: BuiltCheckpoints = nothing_built,
    **options: Any,
) -> Plan:
    device = gpu if isinstance(gpu, Device) else named_device(gpu)
    return decide(PlanInputs(facts, TABLES[backend], device, LoadOptions(**options), checkpoints))


def refusal(
    backend: str, facts: ModelFacts, gpu: str | Device = "a100-80gb", **options: Any
) -> str:
    """The one line that there is instead of a plan."""
    with pytest.raises(StartError) as refused:
        plan(backend, facts, gpu, **options)
    message = str(refused.value)
    assert "\n" not in message
    return message
