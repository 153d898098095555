"""The Deployment's mounts and variables are enough: all else is read-only, with no capabilities.

In a mount namespace of this machine instead of an image: the same environment, as root without its
powers, because the environments here may belong to root alone.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from build_scripts.bentos.container import start_seconds
from common.settings import Settings
from tests.conftest import require_backend
from tests.contract.support import GENERATE, post
from tests.operations.tools import chart, missing
from tests.service_process import REPOSITORY, Service, free_port, interpreter, service_name

HOME = "/home/bentoml"
NO_POWERS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def namespace(mounts: Sequence[str], kept: Sequence[Path], command: Sequence[str]) -> str:
    """Returns a shell script that runs the command where only the mounts can be written to.

    /home and the mounts are empty and new. What they cover of the folders in `kept` is mounted
    again, read-only, from a descriptor opened before.
    """
    descriptors = dict(enumerate(kept, start=3))
    lines = ["set -eu", "mount --make-rprivate /"]
    lines += [f"exec {number}<{shlex.quote(str(path))}" for number, path in descriptors.items()]
    lines += ["mount -t tmpfs tmpfs /home"]
    for mount in mounts:
        lines += [f"mkdir -p {mount}", f"mount -t tmpfs -o mode=1777 tmpfs {mount}"]
    for number, path in descriptors.items():
        folder = shlex.quote(str(path))
        lines += [
            f"mkdir -p {folder}",
            f"mount --no-canonicalize --rbind /proc/self/fd/{number} {folder}",
            f"mount -o remount,ro,bind {folder}",
            f"exec {number}<&-",
        ]
    written = shlex.join([f"{REPOSITORY}/written", f"{HOME}/written"])
    lines += [
        "mount -o remount,ro /home",
        "mount -o remount,ro,bind /",
        f"cd {shlex.quote(str(REPOSITORY))}",
        f"if touch {written} 2>/dev/null; then exit 7; fi",
        f"exec {shlex.join(command)}",
    ]
    return "\n".join(lines)


def variables(backend: str, container: dict[str, Any]) -> dict[str, str]:
    """Returns those of the image and of the Deployment."""
    bentofile = REPOSITORY / "bentos" / backend / "bentofile.yaml"
    image = yaml.safe_load(bentofile.read_text("utf-8")).get("envs", [])
    given = {item["name"]: item["value"] for item in (*image, *container["env"]) if "value" in item}
    return {"PATH": os.environ["PATH"], "HOME": HOME, **given}


def start(backend: str) -> Service:
    objects = chart(backend, open=True, settings={"max_model_len": 256})
    (container,) = objects["deployment"]["spec"]["template"]["spec"]["containers"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    port = free_port()
    target = f"services.{backend}:{service_name(backend)}"
    bentoml = interpreter(backend).with_name("bentoml")
    serve = [*NO_POWERS, str(bentoml), "serve", target, "--port", str(port)]
    kept = [REPOSITORY, bentoml.parents[1].resolve(), Path(sys.base_prefix)]
    log = Path(tempfile.mkdtemp(prefix="read-only-")) / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", namespace(mounts, kept, serve)],
            env=variables(backend, container),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Service(backend, f"http://127.0.0.1:{port}", process, log)


@pytest.mark.parametrize("backend", ["transformers", "vllm"])
def test_it_serves_where_only_the_mounts_can_be_written(backend: str) -> None:
    """A service of its own: no other is started in such a namespace."""
    require_backend(backend)
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        missing("no mount namespaces here: run as root, or where they are allowed")
    with start(backend) as service:
        service.wait_ready(start_seconds(Settings()))
        response = post(service, GENERATE, "What is the capital of France?", temperature=0)
        assert "Paris" in response.text
        powers = Path(f"/proc/{service.worker().pid}/status").read_text("utf-8")
        assert "CapEff:\t0000000000000000" in powers
    assert service.process.returncode == 0
    assert "Read-only file system" not in service.log_text()
