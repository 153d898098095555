"""A cluster of two nodes, and a service whose app has a replica on each."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from common.processes.ports import free_ports
from tests.conftest import require_backend
from tests.service_process import REPOSITORY, Service, interpreter, start_service

STOP_DEADLINE = 30
ONE_REPLICA = 8
"""Requests at once: fewer than the load has, so that each node has some of them."""


@dataclass
class TwoNodes:
    address: str
    serve_port: int
    process: subprocess.Popen[str]

    @property
    def serve_url(self) -> str:
        return f"http://{self.address.split(':')[0]}:{self.serve_port}"

    def kill_second(self) -> None:
        """SIGKILL; returns when it is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "killed\n"


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[TwoNodes]:
    require_backend("ray_serve")
    # Sockets are in it, and their paths may not be long.
    directory = tempfile.mkdtemp(prefix="ray-")
    process = subprocess.Popen(
        [interpreter("ray_serve"), "-m", "tests.ray_serve.two_nodes"],
        cwd=REPOSITORY,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": directory},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield TwoNodes(process.stdout.readline().strip(), free_ports(1)[0], process)
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(STOP_DEADLINE)
        end_session(process.pid)
        shutil.rmtree(directory, ignore_errors=True)


def end_session(session: int) -> None:
    """A killed node leaves idle workers."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                process.kill()
        except (psutil.Error, OSError):
            continue


@pytest.fixture(scope="module")
def on_two_nodes(two_nodes: TwoNodes) -> Iterator[Service]:
    arguments = {
        "ray_address": two_nodes.address,
        "http_port": two_nodes.serve_port,
        "num_replicas": 2,
        "deployment_config": {"max_ongoing_requests": ONE_REPLICA},
        "placement_group_config": {"bundles": [{"CPU": 1, "slot": 1}]},
        "ingress_deployment_config": {
            "ray_actor_options": {"num_cpus": 0.1, "resources": {"head": 0.1}}
        },
    }
    with start_service("ray_serve", engine_args=arguments) as service:
        yield service
