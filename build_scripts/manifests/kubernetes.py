"""Kubernetes: plain objects, one a file, for `kubectl apply -f`."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from build_scripts.bentos.container import PROBE_TIMEOUT
from build_scripts.manifests.deployment import (
    CACHE,
    LEAVE_BALANCERS,
    PORT,
    USER,
    Deployment,
)

Object = dict[str, Any]
ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yaml"
PROJECT = "llm-services"
OPERATOR = "prometheus-operator"
"""The folder of what only a cluster with that operator knows."""
STARTUP_PERIOD = 10
ROLLOUT_MARGIN = 600
"""Seconds beside a start: the old pod drains first, and the image is fetched."""
SCRATCH = "/tmp"
"""The one place that can be written to, besides the cache: the root is read-only."""


def files(wanted: Deployment) -> Mapping[str, Object]:
    """By path."""
    found = {
        "deployment.yaml": deployment(wanted),
        "service.yaml": service(wanted),
        "disruption-budget.yaml": disruption_budget(wanted),
        f"{OPERATOR}/service-monitor.yaml": service_monitor(wanted),
        f"{OPERATOR}/alerts.yaml": alerts(),
    }
    if wanted.cache:
        found["cache.yaml"] = cache(wanted)
    if wanted.scales:
        found["autoscaler.yaml"] = autoscaler(wanted)
    return found


def deployment(wanted: Deployment) -> Object:
    """Replaces pods one by one, the old first: a GPU to spare is not to be counted on."""
    spec: Object = {
        "selector": {"matchLabels": _selector(wanted)},
        "progressDeadlineSeconds": wanted.start_seconds + ROLLOUT_MARGIN,
        "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        "template": {"metadata": {"labels": _labels(wanted)}, "spec": _pod(wanted)},
    }
    if not wanted.scales:
        # With an autoscaler the number is the autoscaler's; each apply would set it back.
        spec["replicas"] = wanted.replicas
    return _object("apps/v1", "Deployment", wanted, spec)


def service(wanted: Deployment) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return _object("v1", "Service", wanted, {"selector": _selector(wanted), "ports": ports})


def disruption_budget(wanted: Deployment) -> Object:
    """One pod at a time; a minimum would keep a node with a single replica from ever draining."""
    spec = {"selector": {"matchLabels": _selector(wanted)}, "maxUnavailable": 1}
    return _object("policy/v1", "PodDisruptionBudget", wanted, spec)


def cache(wanted: Deployment) -> Object:
    """Weights and compiled kernels, so that a second start is warm."""
    spec = {
        "accessModes": ["ReadWriteMany" if wanted.shared_cache else "ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{wanted.cache}Gi"}},
    }
    return _object("v1", "PersistentVolumeClaim", wanted, spec, f"{wanted.name}-cache")


def autoscaler(wanted: Deployment) -> Object:
    """On requests without a place in an engine; slow to shrink, for a start takes minutes."""
    metric = {
        "type": "Pods",
        "pods": {
            "metric": {"name": "gen_ai_server_requests_waiting"},
            "target": {"type": "AverageValue", "averageValue": str(wanted.waiting)},
        },
    }
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": wanted.name},
        "minReplicas": wanted.replicas,
        "maxReplicas": wanted.max_replicas,
        "metrics": [metric],
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 30},
            "scaleDown": {"stabilizationWindowSeconds": 900},
        },
    }
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", wanted, spec)


def service_monitor(wanted: Deployment) -> Object:
    spec = {
        "selector": {"matchLabels": _selector(wanted)},
        "endpoints": [{"port": "http", "path": "/metrics", "interval": "15s"}],
    }
    return _object("monitoring.coreos.com/v1", "ServiceMonitor", wanted, spec)


def alerts() -> Object:
    """The rules of deploy/prometheus, as the operator takes them.

    They watch every backend, so all of a cluster's share one object: of two, each would alert.
    """
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": PROJECT, "labels": {"app.kubernetes.io/part-of": PROJECT}},
        "spec": yaml.safe_load(ALERTS.read_text("utf-8")),
    }


def _pod(wanted: Deployment) -> Object:
    volumes: list[Object] = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{wanted.shm}Gi"}},
        {
            "name": "cache",
            **(
                {"persistentVolumeClaim": {"claimName": f"{wanted.name}-cache"}}
                if wanted.cache
                else {"emptyDir": {}}
            ),
        },
    ]
    pod: Object = {
        "containers": [_container(wanted)],
        "volumes": volumes,
        "terminationGracePeriodSeconds": LEAVE_BALANCERS + wanted.drain_seconds,
        "automountServiceAccountToken": False,
        # A service called "model" in the namespace would otherwise set variables of that name.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if wanted.gpus:
        taint = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
        pod["tolerations"] = [taint]
    return pod


def _container(wanted: Deployment) -> Object:
    resources: Object = {"requests": {"cpu": str(wanted.cpus), "memory": f"{wanted.memory}Gi"}}
    if wanted.gpus:
        resources["limits"] = {"nvidia.com/gpu": str(wanted.gpus)}
    return {
        "name": "llm",
        "image": wanted.image,
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": _environment(wanted),
        "resources": resources,
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE_BALANCERS}}},
        "startupProbe": {
            **_probe("/readyz"),
            "periodSeconds": STARTUP_PERIOD,
            "failureThreshold": math.ceil(wanted.start_seconds / STARTUP_PERIOD),
        },
        "livenessProbe": {**_probe("/livez", 10), "periodSeconds": 10, "failureThreshold": 3},
        "readinessProbe": {**_probe("/readyz"), "periodSeconds": 10, "failureThreshold": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH},
            {"name": "shm", "mountPath": "/dev/shm"},
            {"name": "cache", "mountPath": CACHE},
        ],
    }


def _probe(path: str, seconds: int = PROBE_TIMEOUT) -> Object:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": seconds}


def _environment(wanted: Deployment) -> list[Object]:
    values = {
        **wanted.environment,
        "BENTOML_HOME": f"{SCRATCH}/bentoml",
        "BENTOML_DO_NOT_TRACK": "True",
    }
    secrets = {"HF_TOKEN": True} if wanted.open else {"HF_TOKEN": True, "API_KEYS": False}
    return [
        # `$(NAME)` would be a variable of the pod.
        *({"name": name, "value": text.replace("$", "$$")} for name, text in values.items()),
        *(
            {
                "name": name,
                "valueFrom": {
                    "secretKeyRef": {"name": wanted.secret, "key": name, "optional": optional}
                },
            }
            for name, optional in secrets.items()
        ),
    ]


def _selector(wanted: Deployment) -> Object:
    return {"app.kubernetes.io/name": wanted.name}


def _labels(wanted: Deployment) -> Object:
    return {
        **_selector(wanted),
        "app.kubernetes.io/component": wanted.backend,
        "app.kubernetes.io/part-of": PROJECT,
    }


def _object(version: str, kind: str, wanted: Deployment, spec: Object, name: str = "") -> Object:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name or wanted.name, "labels": _labels(wanted)},
        "spec": spec,
    }
