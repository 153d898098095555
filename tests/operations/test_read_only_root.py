"""The Deployment's mounts and variables are enough: all else is read-only, with no capabilities.

In a mount namespace of this machine instead of an image: the same environment, as root without its
powers, because the environments here may belong to root alone.
"""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from build_scripts.manifests import kubernetes
from build_scripts.manifests.deployment import checked
from tests.conftest import require_backend
from tests.contract.support import GENERATE, post
from tests.operations.tools import missing
from tests.service_process import REPOSITORY, Service, free_port, interpreter, service_name

HOME = "/home/bentoml"
NO_POWERS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def namespace(mounts: list[str], command: list[str]) -> str:
    """A shell script: /home and the mounts are empty and new, then the root is read-only."""
    lines = ["set -eu", "mount --make-rprivate /", "mount -t tmpfs tmpfs /home"]
    for path in mounts:
        lines += [f"mkdir -p {path}", f"mount -t tmpfs -o mode=1777 tmpfs {path}"]
    lines += ["mount -o remount,ro /home", "mount -o remount,ro,bind /", f"cd {REPOSITORY}"]
    lines += [f"if touch {REPOSITORY}/written {HOME}/written 2>/dev/null; then exit 7; fi"]
    return "\n".join([*lines, f"exec {shlex.join(command)}"])


def variables(backend: str, container: dict[str, Any]) -> dict[str, str]:
    """Of the image and of the Deployment."""
    bentofile = REPOSITORY / "bentos" / backend / "bentofile.yaml"
    image = yaml.safe_load(bentofile.read_text("utf-8")).get("envs", [])
    given = {item["name"]: item["value"] for item in (*image, *container["env"]) if "value" in item}
    return {"PATH": os.environ["PATH"], "HOME": HOME, **given}


def start(backend: str) -> Service:
    deployment = kubernetes.deployment(checked(backend, {"max_model_len": "256"}, open=True))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    port = free_port()
    target = f"services.{backend}:{service_name(backend)}"
    bentoml = interpreter(backend).with_name("bentoml")
    serve = [*NO_POWERS, str(bentoml), "serve", target, "--port", str(port)]
    log = Path(tempfile.mkdtemp(prefix="read-only-")) / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", namespace(mounts, serve)],
            env=variables(backend, container),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Service(backend, f"http://127.0.0.1:{port}", process, log)


@pytest.mark.parametrize("backend", ["transformers", "vllm"])
def test_it_serves_where_only_the_mounts_can_be_written(backend: str) -> None:
    require_backend(backend)
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        missing("no mount namespaces here: run as root, or where they are allowed")
    with start(backend) as service:
        service.wait_ready()
        response = post(service, GENERATE, "What is the capital of France?", temperature=0)
        assert "Paris" in response.text
        powers = Path(f"/proc/{service.worker().pid}/status").read_text("utf-8")
        assert "CapEff:\t0000000000000000" in powers
    assert service.process.returncode == 0
    assert "Read-only file system" not in service.log_text()
