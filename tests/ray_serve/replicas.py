"""What the engines of an app's replicas tell in the series of its service."""

import re
from collections import Counter

from tests.service_process import Service

SAMPLE = re.compile(r'^ray_vllm_(\w+){[^}]*ReplicaId="(\w+)"[^}]*} (\S+)$', re.MULTILINE)


def by_replica(service: Service, series: str) -> Counter[str]:
    """Returns the sum of one of vLLM's series of each replica."""
    sums: Counter[str] = Counter()
    for name, replica, value in SAMPLE.findall(service.http.get("/metrics").text):
        if name == series:
            sums[replica] += round(float(value))
    return sums


def running(service: Service) -> set[str]:
    """Returns the replicas that run now; their gauges end with them."""
    return set(by_replica(service, "num_requests_running"))


def answers(service: Service) -> Counter[str]:
    """Returns how many answers each replica has given, those included that have ended."""
    return by_replica(service, "request_success_total")
