"""Docker Compose: one service on one machine."""

from typing import Any

from build_scripts.bentos.container import PROBE_TIMEOUT
from build_scripts.manifests.deployment import CACHE, PORT, Deployment

READY = (
    "import urllib.request as web; "
    f"web.urlopen('http://127.0.0.1:{PORT}/readyz', timeout={PROBE_TIMEOUT})"
)
SCRATCH = "/tmp"


def file(wanted: Deployment) -> dict[str, Any]:
    """compose.yaml. A variable without a value is taken from the shell that starts it."""
    service: dict[str, Any] = {
        "image": wanted.image,
        "restart": "unless-stopped",
        "init": True,
        "ports": [f"{PORT}:{PORT}"],
        "environment": _environment(wanted),
        "healthcheck": {
            "test": ["CMD", "python", "-c", READY],
            "interval": "10s",
            "timeout": f"{PROBE_TIMEOUT}s",
            "retries": 3,
            "start_period": f"{wanted.start_seconds}s",
        },
        "stop_grace_period": f"{wanted.drain_seconds}s",
        "shm_size": f"{wanted.shm}gb",
        "tmpfs": [f"{SCRATCH}:mode=1777,exec"],
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }
    if wanted.gpus:
        device = {"driver": "nvidia", "count": wanted.gpus, "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    made = {"name": wanted.name, "services": {wanted.name: service}}
    if not wanted.cache:
        service["tmpfs"].append(f"{CACHE}:mode=1777,exec")
        return made
    service["volumes"] = [f"cache:{CACHE}"]
    return {**made, "volumes": {"cache": {}}}


def _environment(wanted: Deployment) -> dict[str, str | None]:
    # A dollar sign would begin a variable.
    given = {name: value.replace("$", "$$") for name, value in wanted.environment.items()}
    keys = {} if wanted.open else {"API_KEYS": "${API_KEYS:?comma-separated keys of clients}"}
    return {
        **given,
        "BENTOML_HOME": f"{SCRATCH}/bentoml",
        "BENTOML_DO_NOT_TRACK": "True",
        "HF_TOKEN": None,
        **keys,
    }
