"""An app that we launch: the command of its driver, and what the driver says of it."""

import json
import os
import secrets
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.models.model import Model
from common.processes.scratch import Scratch
from common.processes.server import Command
from common.settings import Settings
from services._ray_serve.settings import PLAN_VARIABLE, launch_plan
from services._vllm.arguments import ENVIRONMENT as VLLM_ENVIRONMENT

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_COLOR_PREFIX": "0",
    **VLLM_ENVIRONMENT,
}
"""For the driver and, on a cluster of our own, for all of Ray."""
NOT_FOR_RAY = ("PROMETHEUS_MULTIPROC_DIR", "RAY_ADDRESS")
"""BentoML's metrics, and a cluster that only `ray_address` may name."""
CLUSTER_PORT = 8000
"""Of Serve on a running cluster: Ray's default."""


class AppLaunch:
    """An app of our own, by its driver. Raises StartError for settings that no app can have."""

    def __init__(self, settings: Settings, model: Model) -> None:
        plan = launch_plan(settings, model)
        self._scratch = Scratch("llm-ray-")
        self._status_file = self._scratch.path / "status.json"
        self._plan = replace(
            plan,
            name=_new_name(),
            port=plan.ray.http_port or CLUSTER_PORT,
            directory=str(self._scratch.path),
            status_file=str(self._status_file),
        )
        self.model_id = plan.model_id
        self.own_cluster = plan.own_cluster

    def command(self) -> Command:
        """Returns that of the driver, for one start.

        An app that answers under the plan's name is ours: another cluster may listen on the same
        port. On a cluster that stays, the app of a driver that died is taken over by its name.
        """
        self._status_file.unlink(missing_ok=True)
        kept = {name: value for name, value in os.environ.items() if name not in NOT_FOR_RAY}
        plan = self._plan
        if self.own_cluster:
            plan = replace(plan, name=_new_name())
            # Ray listens on all addresses of the machine, whatever its settings.
            kept |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        return Command(
            [sys.executable, "-m", "services._ray_serve.app"],
            ENVIRONMENT | kept | {PLAN_VARIABLE: plan.to_json()},
            Path(__file__).parents[2],
        )

    def status(self) -> dict[str, Any]:
        """Returns what the driver wrote last; nothing before."""
        try:
            status: dict[str, Any] = json.loads(self._status_file.read_bytes())
        except FileNotFoundError:
            return {}
        return status

    def close(self) -> None:
        self._scratch.remove()


def _new_name() -> str:
    return f"llm-{uuid.uuid4().hex[:12]}"
