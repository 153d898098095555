"""A Ray cluster of two nodes on this machine, for the tests; run by the Python that has Ray.

Prints its address. It kills the second node at the line "kill" on standard input, and ends with its
standard input.
"""

import sys
import time
from typing import Any

import psutil
from ray.cluster_utils import Cluster

OBJECT_STORE_BYTES = 128 * 2**20
ENGINE = "EngineCore"
LOOK, AT_WORK = 0.2, 0.25
"""Seconds, and the share of a processor that an engine at work has at least."""
DEADLINE = 30.0
HEAD = {"slot": 1, "head": 1}
"""One replica asks for a slot of a node; the head keeps what takes the requests."""


def main() -> None:
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 4,
            "num_gpus": 0,
            "resources": HEAD,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        },
    )
    second = cluster.add_node(
        num_cpus=4, num_gpus=0, resources={"slot": 1}, object_store_memory=OBJECT_STORE_BYTES
    )
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            wait_for_work(processes_of(second))
            kill(processes_of(second))
            cluster.remove_node(second, allow_graceful=False)
            print("killed", flush=True)
    cluster.shutdown()


def processes_of(node: Any) -> list[psutil.Process]:
    roots = [psutil.Process(p.process.pid) for ps in node.all_processes.values() for p in ps]
    return [c for root in roots for c in (root, *root.children(recursive=True))]


def wait_for_work(processes: list[psutil.Process]) -> None:
    """Until its engine generates: what is not asked cannot be cut. It exits when that never is."""
    deadline = time.monotonic() + DEADLINE
    engines = [each for each in processes if ENGINE in " ".join(each.cmdline())]
    while time.monotonic() < deadline:
        before = sum(each.cpu_times().user for each in engines)
        time.sleep(LOOK)
        if sum(each.cpu_times().user for each in engines) - before > LOOK * AT_WORK:
            return
    sys.exit(f"the engine of the second node did nothing for {DEADLINE:g} s")


def kill(processes: list[psutil.Process]) -> None:
    """All at once, as when a machine dies: Ray's own way spares the replica."""
    for process in processes:
        process.kill()


if __name__ == "__main__":
    main()
