"""A Ray cluster of two nodes on this machine, for the tests; run by the Python that has Ray.

Prints its address. Kills the second node at the line "kill" on standard input, and ends with it.
"""

import sys
from typing import Any

import psutil
from ray.cluster_utils import Cluster

OBJECT_STORE_BYTES = 128 * 2**20
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
            kill(second)
            cluster.remove_node(second, allow_graceful=False)
            print("killed", flush=True)
    cluster.shutdown()


def kill(node: Any) -> None:
    """All its processes at once, as when a machine dies: Ray's own way spares the replica."""
    roots = [psutil.Process(p.process.pid) for ps in node.all_processes.values() for p in ps]
    for process in [c for root in roots for c in (root, *root.children(recursive=True))]:
        process.kill()


if __name__ == "__main__":
    main()
