"""A cluster of two nodes, and a service whose app has a replica on each."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from common.processes.ports import free_ports
from tests.conftest import require_backend
from tests.service_process import REPOSITORY, Service, interpreter, start_service

STOP_DEADLINE = 30
ONE_REPLICA = 8
"""Requests at once: fewer than the load has, so that each node has some of them."""

BY_PREFIX = {
    "request_router_class": "ray.serve.llm.request_router:PrefixCacheAffinityRouter",
    "request_router_kwargs": {"imbalanced_threshold": 1},
}
"""Of requests that begin alike, a second one at a time goes to the other replica."""


@dataclass
class TwoNodes:
    address: str
    serve_port: int
    process: subprocess.Popen[str]

    @property
    def serve_url(self) -> str:
        return f"http://{self.address.split(':')[0]}:{self.serve_port}"

    def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def kill_second(self) -> None:
        """SIGKILL; returns when it is gone."""
        assert self.ask("kill") == "killed"


@pytest.fixture(scope="package")
def two_nodes() -> Iterator[TwoNodes]:
    """The modules share it, in their order: the last one kills its second node."""
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


def arguments(nodes: TwoNodes, **deployment: Any) -> dict[str, Any]:
    """Returns the engine's arguments of an app whose replicas take a node each."""
    return {
        "ray_address": nodes.address,
        "http_port": nodes.serve_port,
        "deployment_config": {"max_ongoing_requests": ONE_REPLICA, **deployment},
        "placement_group_config": {"bundles": [{"CPU": 1, "slot": 1}]},
        "ingress_deployment_config": {
            "ray_actor_options": {"num_cpus": 0.1, "resources": {"head": 0.1}}
        },
    }


@pytest.fixture(scope="module")
def on_two_nodes(two_nodes: TwoNodes) -> Iterator[Service]:
    given = arguments(two_nodes, request_router_config=BY_PREFIX)
    with start_service("ray_serve", data_parallel_size=2, engine_args=given) as service:
        yield service
