"""An app that we launch: the command of its driver, and what the driver tells."""

import json
import os
import secrets
import sys
import uuid
from pathlib import Path
from typing import Any

from common.models.model import Model
from common.processes.scratch import Scratch
from common.processes.server import Command
from common.settings import Settings
from services._ray_serve.settings import PLAN, launch_plan

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_COLOR_PREFIX": "0",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
"""For the driver and, on a cluster of our own, for all of Ray."""
NOT_FOR_RAY = ("PROMETHEUS_MULTIPROC_DIR", "RAY_ADDRESS")
"""BentoML's metrics, and a cluster that only `ray_address` may name."""
CLUSTER_PORT = 8000
"""Of Serve on a running cluster: Ray's default."""


class Launch:
    """Raises StartError for settings that no app can have."""

    def __init__(self, settings: Settings, model: Model) -> None:
        self._plan = launch_plan(settings, model)
        self._scratch = Scratch("llm-ray-")
        self._name = _new_name()
        self._status = self._scratch.path / "status.json"
        self.model_id: str = self._plan["model_id"]
        self.own_cluster: bool = self._plan["ray"]["ray_address"] is None

    def command(self) -> Command:
        """An app that answers under this name is ours: another cluster may listen on the same port.

        On a cluster that stays, the app of a driver that died is taken over by its name.
        """
        self._status.unlink(missing_ok=True)
        kept = {name: value for name, value in os.environ.items() if name not in NOT_FOR_RAY}
        if self.own_cluster:
            self._name = _new_name()
            # Ray listens on all addresses of the machine, whatever it is told.
            kept |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        plan = self._plan | {
            "name": self._name,
            "port": self._plan["ray"]["http_port"] or CLUSTER_PORT,
            "directory": str(self._scratch.path),
            "status": str(self._status),
        }
        return Command(
            [sys.executable, "-m", "services._ray_serve.app"],
            ENVIRONMENT | kept | {PLAN: json.dumps(plan)},
            Path(__file__).parents[2],
        )

    def status(self) -> dict[str, Any]:
        """What the driver wrote last; empty before."""
        try:
            found: dict[str, Any] = json.loads(self._status.read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def close(self) -> None:
        self._scratch.remove()


def _new_name() -> str:
    """Of an app, and of its path."""
    return f"llm-{uuid.uuid4().hex[:12]}"
