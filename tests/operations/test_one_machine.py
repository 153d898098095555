"""Files for Docker Compose and systemd: valid, and in step with what the service does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from bentoml._internal.configuration.containers import BentoMLContainer

from build_scripts.bentos.table import CACHE
from operations.__main__ import main
from tests.conftest import BACKENDS
from tests.operations.tools import faults, missing, prometheus, run
from tests.service_process import REPOSITORY

MANY = [
    "vllm", "--arg", "model=org/name", "--arg", "drain_timeout=12.5",
    "--arg", 'system_prompt=Say "10 %" or $5\\', "--gpus", "2", "--start-seconds", "95",
]  # fmt: skip
COMPILED = ("mlc", "triton")


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """Returns what a command prints."""

    def run_command(*arguments: str) -> str:
        assert main(arguments) == 0
        return capsys.readouterr().out

    return run_command


def service_of(text: str) -> Any:
    (service,) = yaml.safe_load(text)["services"].values()
    return service


def test_the_compose_file_of_every_backend_is_valid(printed: Any, tmp_path: Path) -> None:
    for backend in BACKENDS:
        engine = ("--arg", "engine_dir=/engine") if backend in COMPILED else ()
        for number, options in enumerate(((), ("--no-cache", "--open"))):
            file = tmp_path / f"{backend}-{number}.yaml"
            file.write_text(printed("compose", backend, *engine, *options), "utf-8")
    assert faults(*tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["stop_grace_period:", "healthcheck:"])
def test_the_schema_finds_a_misspelt_field(printed: Any, tmp_path: Path, field: str) -> None:
    file = tmp_path / "compose.yaml"
    text = printed("compose", *MANY)
    file.write_text(text.replace(field, f"x{field}"), "utf-8")
    assert f"x{field[:-1]}" in faults(file)[0]


def test_compose_runs_the_service_with_its_times_and_no_rights(printed: Any) -> None:
    service = service_of(
        printed("compose", *MANY, "--image", "registry.example/llm:1", "--shm", "3")
    )
    assert service["image"] == "registry.example/llm:1"
    assert service["stop_grace_period"] == "43s", "12.5 s of drain, then the engine's own end"
    assert service["healthcheck"]["start_period"] == "95s"
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert (service["shm_size"], service["volumes"]) == ("3g", [f"cache:{CACHE}"])
    reserved = service["deploy"]["resources"]["reservations"]["devices"]
    assert reserved == [{"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}]
    variables = service["environment"]
    assert (variables["MODEL"], variables["HF_TOKEN"]) == ("org/name", None)
    assert variables["API_KEYS"].startswith("${API_KEYS:?")
    assert variables["SYSTEM_PROMPT"] == 'Say "10 %" or $$5\\'


def test_a_file_of_keys_is_mounted_with_its_folder_and_asks_for_no_other_key(printed: Any) -> None:
    given = ("--arg", "api_keys_file=/srv/keys/keys.toml")
    service = service_of(printed("compose", "echo", *given))
    assert service["volumes"] == [f"cache:{CACHE}", "/srv/keys:/srv/keys:ro"]
    assert service["environment"]["API_KEYS_FILE"] == "/srv/keys/keys.toml"
    assert service["environment"]["API_KEYS"] == "${API_KEYS-}"
    unit = printed("systemd", "echo", *given)
    assert "ExecStartPre" not in unit
    assert "EnvironmentFile=-/etc/llm-services/llm-echo.env" in unit


def test_monitoring_adds_prometheus_and_grafana_to_the_service(
    printed: Any, tmp_path: Path
) -> None:
    file = tmp_path / "monitoring.yaml"
    file.write_text(printed("monitoring", "vllm"), "utf-8")
    assert faults(file) == []
    overlay = yaml.safe_load(file.read_text("utf-8"))
    contents = {
        name: config["content"].replace("$$", "$") for name, config in overlay["configs"].items()
    }
    for service in overlay["services"].values():
        assert {each["source"] for each in service["configs"]} <= contents.keys()
    (tmp_path / "alerts.yaml").write_text(contents["alerts"], "utf-8")
    (tmp_path / "prometheus.yml").write_text(contents["prometheus"], "utf-8")
    checked = run(prometheus("promtool"), "check", "config", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stderr
    (name,) = yaml.safe_load(printed("compose", "vllm"))["services"]
    assert f"- {name}:3000" in contents["prometheus"]
    assert json.loads(contents["dashboard"])["uid"] == "llm-services"


def test_compose_without_a_cache_a_gpu_or_keys(printed: Any) -> None:
    service = service_of(printed("compose", "echo", "--no-cache", "--open"))
    assert service["tmpfs"] == ["/tmp:mode=1777,exec", f"{CACHE}:mode=1777,exec"]
    assert "volumes" not in service
    assert "deploy" not in service
    assert "API_KEYS" not in service["environment"]


def test_the_unit_runs_the_service_with_its_times_and_settings(printed: Any) -> None:
    unit = printed("systemd", *MANY).splitlines()
    assert {"TimeoutStopSec=43", "TimeoutStartSec=95", "KillMode=mixed"} <= set(unit)
    assert r'Environment="SYSTEM_PROMPT=Say \"10 %%\" or $5\\"' in unit
    assert "EnvironmentFile=/etc/llm-services/llm-vllm.env" in unit
    assert "ExecStartPre=/usr/bin/test -n ${API_KEYS}" in unit
    assert "PrivateDevices=no" in unit
    open_unit = printed("systemd", "echo", "--open").splitlines()
    assert {"EnvironmentFile=-/etc/llm-services/llm-echo.env", "PrivateDevices=yes"} <= {*open_unit}
    assert not [line for line in open_unit if "API_KEYS" in line]


@pytest.mark.parametrize("backend", ["echo", "vllm"])
def test_systemd_finds_no_fault_in_the_unit(printed: Any, backend: str, tmp_path: Path) -> None:
    if run("sh", "-c", "command -v systemd-analyze").returncode:
        missing("systemd-analyze is not here: apt-get install systemd")
    text = printed("systemd", backend, "--directory", str(REPOSITORY))
    unit = tmp_path / "llm.service"
    unit.write_text(text, "utf-8")
    checked = run("systemd-analyze", "verify", unit)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    rated = run("systemd-analyze", "security", "--offline=true", unit)
    level = re.search(r"exposure level .*: ([\d.]+)", rated.stdout)
    assert level is not None
    assert float(level[1]) < 5
    unit.write_text(text.replace("KillMode=mixed", "KillMode=some"), "utf-8")
    assert "parse kill mode" in run("systemd-analyze", "verify", unit).stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["compose", "vlm"], "no backend 'vlm'; there are: echo,"),
        (["compose", "echo", "--arg", "modell=x"], "unknown setting 'modell' (did you mean"),
        (["compose", "echo", "--arg", "max_queue=-1"], "setting 'max_queue': "),
        (["systemd", "echo", "--arg", "model"], "--arg 'model' has no value; it is name=value"),
        (["compose", "echo", "--arg", "api_keys_file=keys.toml"], "'keys.toml' is not absolute"),
        (["systemd", "echo", "--arg", "api_keys=a"], "api_keys is a secret; it comes from outside"),
        (
            ["compose", "echo", "--arg", "otlp_endpoint=http://me:a@b"],
            "holds a password in its URL",
        ),
        (["compose", "echo", "--arg", "seed=3"], "setting 'seed' has no effect with Echo"),
        (["compose", "echo", "--name", "Llm"], "--name 'Llm' cannot name a service"),
        (["monitoring", "echo", "--name", "Llm"], "--name 'Llm' cannot name a service"),
        (["compose", "echo", "--image", ""], "--image '' names no image"),
        (["compose", "mlc"], "MLC-LLM runs what was compiled for its GPU: python -m build_scripts"),
        (["systemd", "vllm", "--gpus", "1", "--arg", "tensor_parallel_size=4"], "set --gpus 4"),
        (
            [
                *("compose", "vllm", "--gpus", "2"),
                *("--arg", "pipeline_parallel_size=2", "--arg", "data_parallel_size=2"),
            ],
            "--gpus 2 is less than the 4 of tensor_parallel_size x",
        ),
        (["compose", "vllm", "--arg", "model=nope:1"], "setting 'model': no model 'nope:1' in "),
    ],
)
def test_what_would_not_run_is_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options) == 1
    output = capsys.readouterr()
    (line,) = output.err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert output.out == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["compose", "vllm", "--gpus", "-1"], "argument --gpus: -1 is less than 0"),
        (["systemd", "vllm", "--image", "a"], "unrecognized arguments: --image a"),
        ([], "the following arguments are required: compose|systemd|monitoring"),
    ],
)
def test_wrong_usage_is_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(options)
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_model_of_the_store_is_in_an_image_but_not_in_the_store_of_a_unit(
    printed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ours" / "1").mkdir(parents=True)
    model = ["vllm", "--arg", "model=ours:1"]
    with BentoMLContainer.model_store_dir.patch(str(tmp_path)):
        compose = printed("compose", *model)
        assert main(["systemd", *model]) == 1
    assert service_of(compose)["environment"]["MODEL"] == "ours:1"
    assert capsys.readouterr().err.startswith("error: a unit has a store of its own")
