"""Generated manifests: valid by published schemas, and in step with what the service does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from build_scripts.manifests.__main__ import main
from common.settings import Settings
from tests.conftest import BACKENDS
from tests.operations.tools import faults, missing, run
from tests.service_process import REPOSITORY

MANY = [
    "--image", "registry.example/llm:1", "--arg", "model=org/name", "--arg", "drain_timeout=12.5",
    "--arg", 'system_prompt=Say "10 %" or $5\\', "--gpus", "2", "--replicas", "2",
    "--max-replicas", "5", "--shared-cache", "--start-seconds", "95", "--waiting", "7",
    "--secret", "keys", "--cache", "50", "--shm", "3",
]  # fmt: skip

COMPILED = ("mlc", "triton")


def generate(folder: Path, backend: str, *options: str) -> dict[str, Any]:
    """The objects by path; a unit as its lines."""
    assert main([backend, "-o", str(folder), *options]) == 0
    found: dict[str, Any] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = file.read_text("utf-8")
        unit = file.suffix == ".service"
        found[str(file.relative_to(folder))] = text.splitlines() if unit else yaml.safe_load(text)
    return found


def yaml_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.yaml"))


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Any]:
    return generate(tmp_path, "vllm", *MANY)


def pod_of(made: dict[str, Any]) -> Any:
    return made["kubernetes/deployment.yaml"]["spec"]["template"]["spec"]


def environment_of(made: dict[str, Any]) -> dict[str, Any]:
    variables = pod_of(made)["containers"][0]["env"]
    return {variable["name"]: variable for variable in variables}


@pytest.mark.parametrize("backend", BACKENDS)
def test_all_files_of_every_backend_are_valid(backend: str, tmp_path: Path) -> None:
    engine = ("--arg", "engine_dir=/engine") if backend in COMPILED else ()
    generate(tmp_path / "least", backend, *engine)
    generate(tmp_path / "most", backend, "--max-replicas", "3", "--cache", "0", "--open", *engine)
    files = yaml_files(tmp_path)
    assert len(files) == 14
    assert faults(*files) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("deployment.yaml", "readinessProbe:", "readynessProbe:", "readynessProbe"),
        ("deployment.yaml", "containerPort: 3000", "containerPort: http", "integer"),
        ("service.yaml", "targetPort:", "tragetPort:", "tragetPort"),
        ("disruption-budget.yaml", "maxUnavailable:", "maxUnavailble:", "maxUnavailble"),
        ("autoscaler.yaml", "maxReplicas: 5", "maxReplicas: many", "integer"),
        ("cache.yaml", "accessModes:", "accessMode:", "accessMode"),
        ("prometheus-operator/service-monitor.yaml", "endpoints:", "endpoint:", "endpoint"),
        ("prometheus-operator/service-monitor.yaml", "  interval:", "  intervall:", "intervall"),
        ("prometheus-operator/alerts.yaml", "expr:", "expression:", "expr"),
        ("../compose.yaml", "stop_grace_period:", "stop_period:", "stop_period"),
        ("../compose.yaml", "healthcheck:", "healthchecks:", "healthchecks"),
    ],
)
def test_the_schemas_find_a_mistake(
    tmp_path: Path, file: str, old: str, new: str, told: str
) -> None:
    generate(tmp_path, "vllm", *MANY)
    path = tmp_path / "kubernetes" / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    found = faults(path)
    assert found
    assert told in found[0]


def test_probes_and_times_are_those_of_the_service(made: dict[str, Any]) -> None:
    pod = pod_of(made)
    (container,) = pod["containers"]
    start, live, ready = (
        container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")
    )
    assert live["httpGet"] == {"path": "/livez", "port": "http"}
    assert start["httpGet"] == ready["httpGet"] == {"path": "/readyz", "port": "http"}
    assert start["periodSeconds"] * start["failureThreshold"] == 100
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    # 12.5 s of drain, then the engine's own end.
    assert pod["terminationGracePeriodSeconds"] == wait + 13 + 30
    assert made["compose.yaml"]["services"]["llm-vllm"]["stop_grace_period"] == "43s"
    unit = made["llm-vllm.service"]
    assert {"TimeoutStopSec=43", "TimeoutStartSec=95", "KillMode=mixed"} <= set(unit)


def test_a_pod_has_no_more_rights_than_it_needs(made: dict[str, Any]) -> None:
    pod = pod_of(made)
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert volumes["shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "3Gi"}
    service = made["compose.yaml"]["services"]["llm-vllm"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_secrets_come_by_name_and_keys_are_not_forgotten(
    made: dict[str, Any], tmp_path: Path
) -> None:
    token, keys = (environment_of(made)[name]["valueFrom"] for name in ("HF_TOKEN", "API_KEYS"))
    assert token["secretKeyRef"] == {"name": "keys", "key": "HF_TOKEN", "optional": True}
    assert keys["secretKeyRef"] == {"name": "keys", "key": "API_KEYS", "optional": False}
    compose = made["compose.yaml"]["services"]["llm-vllm"]["environment"]
    assert compose["HF_TOKEN"] is None
    assert compose["API_KEYS"].startswith("${API_KEYS:?")
    assert "EnvironmentFile=/etc/llm-services/llm-vllm.env" in made["llm-vllm.service"]
    opened = generate(tmp_path / "open", "vllm", "--open")
    assert "API_KEYS" not in environment_of(opened)
    assert "API_KEYS" not in opened["compose.yaml"]["services"]["llm-vllm"]["environment"]


def test_gpus_cache_and_scaling_are_as_asked_for(made: dict[str, Any]) -> None:
    deployment, scaler = (made[f"kubernetes/{n}.yaml"] for n in ("deployment", "autoscaler"))
    limits = pod_of(made)["containers"][0]["resources"]["limits"]
    assert limits == {"nvidia.com/gpu": "2"}
    assert "replicas" not in deployment["spec"], "the autoscaler's"
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 5)
    (metric,) = scaler["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "gen_ai_server_requests_waiting"
    assert metric["pods"]["target"]["averageValue"] == "7"
    claim = made["kubernetes/cache.yaml"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"
    mounted = [volume for volume in pod_of(made)["volumes"] if volume["name"] == "cache"]
    assert mounted[0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    reserved = made["compose.yaml"]["services"]["llm-vllm"]["deploy"]["resources"]["reservations"]
    assert reserved["devices"] == [{"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}]


def test_selectors_meet_the_pods_and_the_service(made: dict[str, Any]) -> None:
    labels = made["kubernetes/deployment.yaml"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        made["kubernetes/deployment.yaml"]["spec"]["selector"]["matchLabels"],
        made["kubernetes/service.yaml"]["spec"]["selector"],
        made["kubernetes/disruption-budget.yaml"]["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)
    monitor = made["kubernetes/prometheus-operator/service-monitor.yaml"]["spec"]
    service = made["kubernetes/service.yaml"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_settings_arrive_as_they_were_written(made: dict[str, Any], tmp_path: Path) -> None:
    prompt = 'Say "10 %" or $5\\'
    assert environment_of(made)["SYSTEM_PROMPT"]["value"] == prompt.replace("$", "$$")
    compose = made["compose.yaml"]["services"]["llm-vllm"]["environment"]
    assert compose["SYSTEM_PROMPT"] == prompt.replace("$", "$$")
    (line,) = [line for line in made["llm-vllm.service"] if "SYSTEM_PROMPT" in line]
    assert line == r'Environment="SYSTEM_PROMPT=Say \"10 %%\" or $5\\"'


@pytest.mark.parametrize("backend", ["echo", "vllm"])
def test_systemd_finds_no_fault_in_the_unit(backend: str, tmp_path: Path) -> None:
    if run("sh", "-c", "command -v systemd-analyze").returncode:
        missing("systemd-analyze is not here: apt-get install systemd")
    generate(tmp_path, backend, "--kind", "systemd", "--directory", str(REPOSITORY))
    (unit,) = tmp_path.glob("*.service")
    checked = run("systemd-analyze", "verify", unit)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    rated = run("systemd-analyze", "security", "--offline=true", unit)
    level = re.search(r"exposure level .*: ([\d.]+)", rated.stdout)
    assert level is not None
    assert float(level[1]) < 5
    unit.write_text(unit.read_text("utf-8").replace("KillMode=mixed", "KillMode=some"), "utf-8")
    assert "parse kill mode" in run("systemd-analyze", "verify", unit).stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["vlm"], "no backend 'vlm'; there are: echo,"),
        (["echo", "--arg", "modell=x"], "unknown setting 'modell' (did you mean 'model'?)"),
        (["echo", "--arg", "max_queue=-1"], "setting 'max_queue': "),
        (["echo", "--arg", "model"], "--arg 'model' has no value; it is name=value"),
        (["echo", "--arg", "api_keys=a"], "api_keys is a secret; it comes from outside"),
        (["echo", "--arg", "seed=3"], "setting 'seed' has no effect with Echo"),
        (["echo", "--name", "Llm"], "--name 'Llm' cannot name a service"),
        (["vllm", "--gpus", "1", "--arg", "tensor_parallel_size=4"], "set --gpus 4"),
        (["echo", "--replicas", "3", "--max-replicas", "2"], "is more than --max-replicas 2"),
        (["vllm", "--replicas", "2"], "add --shared-cache"),
        (["vllm", "--kind", "compose", "--replicas", "2"], "no effect with --kind compose; only"),
        (["vllm", "--kind", "systemd", "--image", "a"], "only with kubernetes and compose"),
        (["vllm", "--arg", "model=nope:1"], "setting 'model': no model 'nope:1' in "),
    ],
)
def test_what_would_not_run_is_one_line(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*options, "-o", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert told in line
    assert not list(tmp_path.iterdir())


def test_two_backends_of_a_cluster_share_the_alerts(tmp_path: Path) -> None:
    path = "kubernetes/prometheus-operator/alerts.yaml"
    assert generate(tmp_path / "a", "echo")[path] == generate(tmp_path / "b", "vllm")[path]


def test_wrong_usage_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["vllm", "-o", str(tmp_path), "--gpus", "-1"])
    assert capsys.readouterr().err == "error: argument --gpus: -1 is less than 0\n"


def test_a_folder_that_cannot_be_made_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["echo", "-o", "/proc/none"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "/proc/none" in line


def test_a_model_of_the_store_is_in_an_image_but_not_in_the_store_of_a_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from bentoml._internal.configuration.containers import BentoMLContainer

    (tmp_path / "store" / "ours" / "1").mkdir(parents=True)
    model = ["--arg", "model=ours:1"]
    with BentoMLContainer.model_store_dir.patch(str(tmp_path / "store")):
        made = generate(tmp_path / "all", "vllm", *model)
        assert main(["vllm", *model, "--kind", "systemd", "-o", str(tmp_path / "unit")]) == 1
    assert environment_of(made)["MODEL"]["value"] == "ours:1"
    assert not [name for name in made if name.endswith(".service")]
    told, refused = capsys.readouterr().err.splitlines()
    assert told.startswith("no unit for systemd: a unit has a store of its own, without ours:1")
    assert refused.startswith("error: a unit has a store of its own")


def test_a_cpu_backend_asks_for_no_gpu(tmp_path: Path) -> None:
    made = generate(tmp_path, "echo")
    pod = pod_of(made)
    assert "limits" not in pod["containers"][0]["resources"]
    assert "tolerations" not in pod
    assert "deploy" not in made["compose.yaml"]["services"]["llm-echo"]
    assert "PrivateDevices=yes" in made["llm-echo.service"]
    assert Settings().drain_timeout + 35 == pod["terminationGracePeriodSeconds"]
