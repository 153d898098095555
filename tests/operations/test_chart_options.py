"""What a platform adds to the chart: placing, rights, ways in, scaling, several nodes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services._ray_serve.settings import RayArgs
from tests.operations.test_chart import MANY, written
from tests.operations.tools import Refused, chart, environment_of, faults, pod_of

PROMETHEUS = "http://prometheus.monitoring:9090"
CRON = {
    "type": "cron",
    "metadata": {
        "timezone": "Europe/Berlin",
        "start": "0 7 * * *",
        "end": "0 20 * * *",
        "desiredReplicas": "1",
    },
}
NODES: dict[str, Any] = {
    "nodes": 2,
    "gpus": 8,
    "cache": {"enabled": False},
    "settings": {
        "model": "org/name",
        "tensor_parallel_size": 8,
        "pipeline_parallel_size": 2,
        "engine_args": {"num_replicas": 1},
    },
}


def keda(**values: Any) -> dict[str, Any]:
    return {"enabled": True, "keda": {"enabled": True, "prometheus": PROMETHEUS, **values}}


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    return chart("vllm", **MANY)


def test_every_object_names_its_namespace(objects: dict[str, Any]) -> None:
    assert {value["metadata"]["namespace"] for value in objects.values()} == {"models"}


def test_pods_are_placed_as_asked_for(objects: dict[str, Any]) -> None:
    pod = pod_of(objects)
    assert pod["nodeSelector"] == {"gpu": "h200", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    assert (pod["priorityClassName"], pod["runtimeClassName"]) == ("high", "nvidia")
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    (spread,) = pod["topologySpreadConstraints"]
    labels = objects["deployment"]["spec"]["template"]["metadata"]["labels"]
    assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
    assert objects["cache"]["spec"]["storageClassName"] == "nfs"


def test_the_account_of_the_pods_is_made_and_gives_no_token(objects: dict[str, Any]) -> None:
    account = objects["service-account"]
    assert pod_of(objects)["serviceAccountName"] == account["metadata"]["name"] == "puller"
    assert account["automountServiceAccountToken"] is False


def test_patches_are_merged_over_what_the_chart_says(objects: dict[str, Any]) -> None:
    pod = pod_of(objects)
    assert pod["dnsPolicy"] == "Default"
    (container,) = pod["containers"]
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert container["name"] == "llm"
    patch = {"container": {"securityContext": {"readOnlyRootFilesystem": False}}}
    (patched,) = pod_of(chart("echo", patches=patch))["containers"]
    context = patched["securityContext"]
    assert (context["readOnlyRootFilesystem"], context["capabilities"]) == (
        False,
        {"drop": ["ALL"]},
    )


def test_an_ingress_hands_streams_on_as_they_come(objects: dict[str, Any]) -> None:
    ingress = objects["ingress"]
    annotations = ingress["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/proxy-"
    assert annotations[f"{prefix}buffering"] == "off"
    assert annotations[f"{prefix}read-timeout"] == "3600"
    assert annotations[f"{prefix}body-size"] == str(MANY["settings"]["max_body_bytes"])
    assert ingress["spec"]["tls"] == [{"hosts": ["llm.example"], "secretName": "llm-tls"}]
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"]["name"] == objects["service"]["metadata"]["name"]


def test_a_network_policy_lets_in_whom_the_values_name(objects: dict[str, Any]) -> None:
    policy = objects["network-policy"]["spec"]
    labels = objects["deployment"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"from": [{"podSelector": {}}], "ports": [{"port": "http"}]}]


def test_a_slice_of_a_gpu_is_asked_for_by_its_own_name() -> None:
    slices = chart("vllm", gpuResource="nvidia.com/mig-3g.40gb")
    (container,) = pod_of(slices)["containers"]
    assert container["resources"]["limits"] == {"nvidia.com/mig-3g.40gb": "1"}
    assert [each["key"] for each in pod_of(slices)["tolerations"]] == ["nvidia.com/gpu"]
    amd = pod_of(chart("vllm", gpuResource="amd.com/gpu"))
    assert [each["key"] for each in amd["tolerations"]] == ["amd.com/gpu"]


def test_keda_scales_by_the_requests_that_wait(tmp_path: Path) -> None:
    shared = {"cache": {"enabled": False}}
    objects = chart("vllm", autoscaling=keda(), **shared)
    assert "autoscaler" not in objects
    scaled = objects["scaled-object"]
    assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == (1, 4)
    waiting, refused = [each["metadata"] for each in scaled["spec"]["triggers"]]
    assert (waiting["threshold"], refused["threshold"]) == ("4", "1")
    assert "requests_waiting" in waiting["query"]
    assert 'code="overloaded"' in refused["query"]
    for each in (waiting, refused):
        assert 'namespace="models", pod=~"llm-.*"' in each["query"]
    woken = chart("vllm", autoscaling=keda(toZero=True, triggers=[CRON]), **shared)
    assert woken["scaled-object"]["spec"]["minReplicaCount"] == 0
    queries = [
        each["metadata"].get("query", "") for each in woken["scaled-object"]["spec"]["triggers"]
    ]
    assert ["requests_running" in query for query in queries] == [False, False, True, False]
    files = [*written(tmp_path / "one", objects), *written(tmp_path / "zero", woken)]
    assert faults(*files) == []
    misspelt = {**scaled, "spec": {**scaled["spec"], "maxReplicas": 3}}
    (fault,) = faults(*written(tmp_path / "misspelt", {"scaled-object": misspelt}))
    assert "no field 'maxReplicas'" in fault


def test_a_route_leads_to_the_service_or_to_the_pool_of_an_endpoint_picker() -> None:
    gateway = {"enabled": True, "parents": [{"name": "gateway"}], "hosts": ["llm.example"]}
    plain = chart("vllm", gateway=gateway)
    (rule,) = plain["gateway"]["spec"]["rules"]
    assert rule["backendRefs"] == [{"name": "llm", "port": 80}]
    assert rule["timeouts"] == {"request": "0s"}
    assert "inference-pool" not in plain
    picked = chart("vllm", gateway={**gateway, "endpointPicker": "llm-epp"})
    pool = picked["inference-pool"]
    (backend,) = picked["gateway"]["spec"]["rules"][0]["backendRefs"]
    assert backend["kind"] == pool["kind"] == "InferencePool"
    assert f"{backend['group']}/v1" == pool["apiVersion"]
    assert backend["name"] == pool["metadata"]["name"]
    labels = picked["deployment"]["spec"]["template"]["metadata"]["labels"]
    assert pool["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (port,) = pod_of(picked)["containers"][0]["ports"]
    assert pool["spec"]["targetPorts"] == [{"number": port["containerPort"]}]
    assert pool["spec"]["endpointPickerRef"] == {"name": "llm-epp", "port": {"number": 9002}}


def test_a_replica_of_several_nodes_is_a_ray_cluster(tmp_path: Path) -> None:
    objects = chart("ray_serve", **NODES)
    assert "deployment" not in objects
    group = objects["leader-worker-set"]["spec"]["leaderWorkerTemplate"]
    leader, worker = group["leaderTemplate"], group["workerTemplate"]
    service, head = leader["spec"]["containers"]
    (node,) = worker["spec"]["containers"]
    assert group["size"] == 2
    environment = {each["name"]: each.get("value") for each in service["env"]}
    args = RayArgs.model_validate(yaml.safe_load(environment["ENGINE_ARGS"]))
    assert args.num_replicas == 1
    assert args.ray_address == "127.0.0.1:6379"
    assert "--port=6379" in head["args"]
    assert "--address=$(LWS_LEADER_ADDRESS):6379" in node["args"]
    assert not service["resources"]["limits"], "the GPUs are the Ray node's"
    assert head["resources"]["limits"] == node["resources"]["limits"] == {"nvidia.com/gpu": "8"}
    assert "readinessProbe" in service
    assert "readinessProbe" not in head
    selector = objects["service"]["spec"]["selector"]
    assert selector.items() <= leader["metadata"]["labels"].items()
    assert not selector.items() <= worker["metadata"]["labels"].items()
    names = {"leader": leader["spec"], "worker": worker["spec"]}
    pods = {
        name: {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        for name, spec in names.items()
    }
    assert faults(*written(tmp_path / "pods", pods)) == []


@pytest.mark.parametrize(
    ("backend", "values", "message"),
    [
        ("vllm", {"nodes": 2, "cache": {"enabled": False}}, "only ray_serve runs one replica over"),
        ("ray_serve", {**NODES, "cache": {"enabled": True}}, "cannot be mounted on all"),
        ("ray_serve", {**NODES, "gpus": 4}, "gpus 8 is less than the 16 of"),
        ("echo", {"autoscaling": {"keda": {"enabled": True}}}, "without autoscaling.enabled"),
        ("echo", {"autoscaling": keda(prometheus="")}, "has to be the address of your Prometheus"),
        ("echo", {"autoscaling": keda(toZero=True)}, "nothing counts waiting requests"),
        ("echo", {"ingress": {"enabled": True}}, "ingress.enabled needs ingress.host"),
        ("echo", {"gateway": {"enabled": True}}, "gateway.enabled needs gateway.parents"),
        ("echo", {"serviceAccount": {"create": True}}, "needs serviceAccount.name"),
        ("echo", {"gpuProduct": "NVIDIA-L4"}, "gpus is 0"),
        ("vllm", {"gpuResource": "gpu"}, "at '/gpuResource'"),
        ("echo", {"patches": {"container": {"api_key": "x"}}}, "specifications of the schema"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    backend: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused, match=message):
        chart(backend, **values)


def test_the_pages_of_the_alerts_have_the_address_of_the_values() -> None:
    base = "https://git.example/llm/blob/main/"
    objects = chart("echo", monitoring={"alerts": True, "runbooks": base})
    rules = objects["alerts"]["spec"]["groups"][0]["rules"]
    assert all(rule["annotations"]["runbook_url"].startswith(f"{base}docs/") for rule in rules)


def test_a_variable_of_the_values_wins_no_place_of_its_own() -> None:
    """Each variable stands once, also beside what a platform adds."""
    assert "MODEL" in environment_of(chart("vllm", **MANY))


def test_the_cache_is_filled_before_an_upgrade(tmp_path: Path) -> None:
    model = {"model": "org/name", "adapters": "one=org/adapter"}
    values = {"settings": model, "replicas": 1, "gpus": 2, "affinity": {}}
    objects = chart("vllm", **values, cache={"fill": True})
    job = objects["fill-cache"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    (container,), (serving,) = pod["containers"], pod_of(objects)["containers"]
    assert container["args"] == ["python", "-m", "common.models"]
    variables = {each["name"]: each for each in container["env"]}
    assert variables["MODEL"]["value"] == "org/name"
    assert variables["ADAPTERS"]["value"] == "one=org/adapter"
    assert variables.keys() >= {"HF_TOKEN", "PYTHONPATH"}
    assert "API_KEYS" not in variables
    assert "limits" not in container["resources"]
    assert not container.keys() & {"ports", "lifecycle", "readinessProbe", "livenessProbe"}
    assert container["volumeMounts"] == serving["volumeMounts"]
    selector = objects["service"]["spec"]["selector"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert not selector.items() <= labels.items(), "no requests are sent to it"
    (near,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert near["labelSelector"]["matchLabels"] == selector
    shared = chart("vllm", **values, cache={"fill": True, "accessMode": "ReadWriteMany"})
    assert "affinity" not in shared["fill-cache"]["spec"]["template"]["spec"]
    assert "fill-cache" not in chart("vllm", **values)
    files = [*written(tmp_path / "one", objects), *written(tmp_path / "many", shared)]
    assert faults(*files) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cache": {"fill": True}}, "settings.model, which is not set"),
        ({"cache": {"fill": True, "enabled": False}}, "needs a volume"),
        ({"cache": {"fill": True, "accessMode": "ReadWriteOncePod"}}, "needs a volume"),
    ],
)
def test_a_cache_that_cannot_be_filled_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        chart("vllm", **values)
