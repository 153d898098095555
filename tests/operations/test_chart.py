"""The Helm chart: what a real Helm makes of it is valid, and in step with what the service does."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from build_scripts.bentos.container import (
    PROBE_TIMEOUT,
    STOP_MARGIN,
    start_seconds,
    stop_seconds,
)
from build_scripts.bentos.table import CACHE
from common.settings import Settings
from operations.values import SCHEMA, schema_text, values_files
from tests.operations.live_prometheus import RULES
from tests.operations.tools import CHART, chart, environment_of, faults, pod_of

FILES = sorted(path.stem for path in (CHART / "values").glob("*.yaml"))
"""Of the values, "" being all; the other objects hold labels, annotations and an affinity."""
PROMPT = 'Say "10 %" or $5\\ <é>\n'
SHARED = {"accessMode": "ReadWriteMany"}
MANY: dict[str, Any] = {
    "image": {"repository": "registry.example/llm", "tag": "1", "pullSecrets": [{"name": "pull"}]},
    "settings": {
        "model": "org/name",
        "drain_timeout": 12.5,
        "system_prompt": PROMPT,
        "max_body_bytes": 16777216,
        "docs": False,
        "cors_origins": ["https://a.example", "https://b.example"],
        "engine_args": {"max_num_batched_tokens": 16777216},
    },
    "env": [{"name": "OTEL_SERVICE_NAME", "value": "llm"}],
    "secret": "keys",
    "gpus": 2,
    "resources": {"limits": {"memory": "32Gi"}},
    "shm": "3Gi",
    "cache": {**SHARED, "size": "50Gi", "storageClass": "nfs"},
    "replicas": 2,
    "autoscaling": {"enabled": True, "maxReplicas": 5, "waiting": 7},
    "startSeconds": 95,
    "service": {"annotations": {"example.com/a": "b"}},
    "monitoring": {"serviceMonitor": True, "alerts": True, "labels": {"release": "prometheus"}},
    "podAnnotations": {"example.com/c": "d"},
    "nodeSelector": {"gpu": "h200"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "topologySpread": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "priorityClass": "high",
    "runtimeClass": "nvidia",
    "gpuProduct": "NVIDIA-H100-80GB-HBM3",
    "serviceAccount": {"create": True, "name": "puller", "annotations": {"example.com/e": "f"}},
    "ingress": {
        "enabled": True, "className": "nginx", "host": "llm.example", "tlsSecret": "llm-tls",
    },
    "networkPolicy": {"enabled": True, "egress": [{"to": [{"namespaceSelector": {}}]}]},
    "volumes": [{"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}],
    "volumeMounts": [{"name": "weights", "mountPath": "/weights", "readOnly": True}],
    "patches": {
        "pod": {"dnsPolicy": "Default"},
        "container": {"terminationMessagePolicy": "FallbackToLogsOnError"},
    },
}  # fmt: skip
ENGINE_DIR = {"settings": {"engine_dir": "/engine"}}


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    return chart("vllm", **MANY)


def written(folder: Path, objects: dict[str, Any]) -> list[Path]:
    """Returns a file for each object."""
    folder.mkdir()
    for name, value in objects.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(value), "utf-8")
    return list(folder.iterdir())


def test_the_files_made_from_settings_and_bentos_are_up_to_date() -> None:
    made = values_files()
    assert sorted(path.stem for path in made) == FILES
    for path, text in {**made, SCHEMA: schema_text()}.items():
        assert path.read_text("utf-8") == text, "python -m operations.values --write"


def test_the_objects_of_every_backend_are_valid(objects: dict[str, Any], tmp_path: Path) -> None:
    files = written(tmp_path / "many", objects)
    assert len(files) == 10
    for name in FILES:
        engine = ENGINE_DIR if name in ("mlc", "triton") else {}
        files += written(tmp_path / name, chart(name, **engine))
    open_values = {"replicas": 3, "cache": {"enabled": False}, "open": True}
    files += written(tmp_path / "open", chart("echo", **open_values))
    assert faults(*files) == []


MISSPELT = {
    "deployment": ("spec template spec containers 0", "readinessProbe"),
    "service": ("spec ports 0", "targetPort"),
    "disruption-budget": ("spec", "maxUnavailable"),
    "cache": ("spec", "accessModes"),
    "service-monitor": ("spec endpoints 0", "interval"),
    "alerts": ("spec groups 0", "rules"),
}
"""A field of each object, after the way to its parent."""


def test_the_schemas_find_a_misspelt_field(objects: dict[str, Any], tmp_path: Path) -> None:
    wrong = copy.deepcopy({name: objects[name] for name in MISSPELT})
    for name, (path, field) in MISSPELT.items():
        parent = wrong[name]
        for step in path.split():
            parent = parent[int(step) if step.isdigit() else step]
        parent[f"{field}s"] = parent.pop(field)
    found = "\n".join(faults(*written(tmp_path / "misspelt", wrong)))
    for name, (_, field) in MISSPELT.items():
        assert re.search(rf"/{name}.yaml: .*{field}s", found), found


def test_probes_and_times_are_those_of_the_service(objects: dict[str, Any]) -> None:
    pod = pod_of(objects)
    (container,) = pod["containers"]
    start, live, ready = (
        container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")
    )
    assert live["httpGet"] == {"path": "/livez", "port": "http"}
    assert start["httpGet"] == ready["httpGet"] == {"path": "/readyz", "port": "http"}
    assert start["timeoutSeconds"] == ready["timeoutSeconds"] == PROBE_TIMEOUT
    assert start["periodSeconds"] * start["failureThreshold"] == 100
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = Settings(drain_timeout=12.5)
    assert pod["terminationGracePeriodSeconds"] == wait + stop_seconds(drain) == wait + 13 + 30


def test_times_that_nobody_sets_are_the_defaults_of_the_settings() -> None:
    pod = pod_of(chart("vllm"))
    (container,) = pod["containers"]
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] == wait + stop_seconds(Settings())
    start = container["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] == start_seconds(Settings())
    never = pod_of(chart("vllm", settings={"drain_timeout": 0}))
    assert never["terminationGracePeriodSeconds"] == wait + STOP_MARGIN
    served = pod_of(chart("ray_serve", settings={"start_timeout": 60}))["containers"][0]
    assert served["startupProbe"]["failureThreshold"] == 6


def test_a_pod_has_no_more_rights_than_it_needs(objects: dict[str, Any]) -> None:
    pod = pod_of(objects)
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.pop("weights") == "/weights", "which the values add"
    del volumes["weights"]
    assert mounts == {"scratch": "/tmp", "shm": "/dev/shm", "cache": CACHE}
    assert mounts.keys() == volumes.keys()
    assert volumes["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "3Gi"}


def test_secrets_come_by_name_and_keys_are_not_forgotten(objects: dict[str, Any]) -> None:
    token, keys = (environment_of(objects)[name]["valueFrom"] for name in ("HF_TOKEN", "API_KEYS"))
    assert token["secretKeyRef"] == {"name": "keys", "key": "HF_TOKEN", "optional": True}
    assert keys["secretKeyRef"] == {"name": "keys", "key": "API_KEYS", "optional": False}
    own = environment_of(chart("echo", "my-echo"))["API_KEYS"]["valueFrom"]["secretKeyRef"]
    assert own["name"] == "my-echo"
    assert "API_KEYS" not in environment_of(chart("echo", open=True))


def test_a_file_of_keys_is_mounted_from_the_secret() -> None:
    made = chart("echo", "my-echo", keysFile=True)
    environment = environment_of(made)
    assert environment["API_KEYS"]["valueFrom"]["secretKeyRef"]["optional"] is True
    folder, name = environment["API_KEYS_FILE"]["value"].rsplit("/", 1)
    (container,) = pod_of(made)["containers"]
    assert {"name": "keys", "mountPath": folder, "readOnly": True} in container["volumeMounts"]
    volumes = {volume["name"]: volume for volume in pod_of(made)["volumes"]}
    secret = volumes["keys"]["secret"]
    assert secret == {"secretName": "my-echo", "items": [{"key": name, "path": name}]}


def test_gpus_cache_and_scaling_are_as_asked_for(objects: dict[str, Any]) -> None:
    (container,) = pod_of(objects)["containers"]
    assert container["image"] == "registry.example/llm:1"
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "2", "memory": "32Gi"}
    assert container["resources"]["requests"] == {"cpu": 4, "memory": "16Gi"}
    assert [taint["key"] for taint in pod_of(objects)["tolerations"]] == ["nvidia.com/gpu", "spot"]
    assert "replicas" not in objects["deployment"]["spec"], "the autoscaler's"
    scaler = objects["autoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
    metrics = [each["pods"] for each in scaler["metrics"]]
    assert {each["metric"]["name"]: each["target"]["averageValue"] for each in metrics} == {
        "gen_ai_server_requests_waiting": "7",
        "gen_ai_server_refusals": "1",
    }
    claim = objects["cache"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"
    mounted = [volume for volume in pod_of(objects)["volumes"] if volume["name"] == "cache"]
    assert mounted[0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_a_cpu_backend_asks_for_no_gpu_and_no_volume() -> None:
    objects = chart("echo")
    assert objects.keys() == {"deployment", "service", "disruption-budget"}
    assert objects["deployment"]["spec"]["replicas"] == 1
    pod = pod_of(objects)
    assert "limits" not in pod["containers"][0]["resources"]
    assert "tolerations" not in pod


def test_selectors_meet_the_pods_and_the_service(objects: dict[str, Any]) -> None:
    labels = objects["deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        objects["deployment"]["spec"]["selector"]["matchLabels"],
        objects["service"]["spec"]["selector"],
        objects["disruption-budget"]["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)
    monitor = objects["service-monitor"]["spec"]
    service = objects["service"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_the_service_reads_the_settings_that_were_given(objects: dict[str, Any]) -> None:
    texts = {
        name: variable["value"].replace("$$", "$")
        for name, variable in environment_of(objects).items()
        if name.lower() in Settings.model_fields and "value" in variable
    }
    read = Settings(**{name.lower(): text for name, text in texts.items()})
    assert read.model_dump(exclude_unset=True) == MANY["settings"]
    assert "$$5" in environment_of(objects)["SYSTEM_PROMPT"]["value"], "not a variable of the pod"
    assert environment_of(objects)["OTEL_SERVICE_NAME"]["value"] == "llm"


def test_the_alerts_are_those_of_the_file_for_every_release(objects: dict[str, Any]) -> None:
    assert objects["alerts"]["spec"] == yaml.safe_load(RULES.read_text("utf-8"))
    other = chart("echo", "other", monitoring=MANY["monitoring"])
    assert other["alerts"] == objects["alerts"], "of two objects, each would alert"
    for name in ("alerts", "service-monitor"):
        assert objects[name]["metadata"]["labels"]["release"] == "prometheus"
