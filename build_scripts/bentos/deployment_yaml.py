"""Makes deployment.yaml: how a bento runs on BentoCloud."""

from typing import Any

import yaml

from build_scripts.bentos.table import Bento
from common.service.bento_service import NO_LIMIT
from common.settings import Settings

A100 = "gpu.a100.1x80"
"""The instance of the published study: one GPU with 80 GB."""
CPU = "cpu.2"
HUB_SECRET = "huggingface"
"""The name of the secret with HF_TOKEN, for models that are not open to all."""
REPLICAS = {"min_replicas": 1, "max_replicas": 3}
POLICY = {"scale_up_behavior": "fast", "scale_down_behavior": "stable"}
COLD_START_TIMEOUT = 300
"""Seconds, mostly of the image, where no weights are loaded."""


def deployment_yaml(bento: Bento) -> str:
    """Returns the text of the file. Concurrency is the setting max_concurrency: BentoCloud gives a
    replica as many requests as its engine takes, and keeps those that wait."""
    defaults, packaging = Settings(), bento.packaging
    weights = bento.engine.loads_weights
    traffic = {
        "timeout": NO_LIMIT,
        "concurrency": defaults.max_concurrency,
        "external_queue": True,
    }
    service = {
        "instance_type": packaging.instance or (A100 if packaging.gpu else CPU),
        "deployment_strategy": "RollingUpdate",
        "scaling": {**REPLICAS, "policy": POLICY},
        "cold_start_timeout": int(defaults.start_timeout) if weights else COLD_START_TIMEOUT,
        "config_overrides": {"traffic": traffic},
    }
    values: dict[str, Any] = {
        "name": bento.name,
        "access_authorization": True,
        **({"secrets": [HUB_SECRET]} if weights else {}),
        "services": {bento.service: service},
    }
    head = (
        f"# scripts/deploy {bento.backend} [--arg name=value ... --set key=value ...]\n"
        "# Made by python -m build_scripts.bentos --write; docs/bentocloud.md explains it.\n"
    )
    return head + yaml.safe_dump(values, sort_keys=False)
