"""scripts/deploy against a stand-in of BentoCloud: what is sent, and one line where it is not."""

import socket
from pathlib import Path

import pytest
import yaml

from common.models.model import DEMO_MODEL
from tests.bentocloud.conftest import CloudFactory
from tests.bentocloud.person import Person
from tests.bentos.support import Store
from tests.doubles.bentocloud.cloud import BentoCloud
from tests.service_process import REPOSITORY

LOG_IN = "set BENTO_CLOUD_API_KEY (and BENTO_CLOUD_API_ENDPOINT"


def test_a_backend_is_built_with_its_model_sent_and_runs(tmp_path: Path, cloud: BentoCloud) -> None:
    person = Person(tmp_path, cloud)
    Store(tmp_path).put_models({"small:one": DEMO_MODEL})
    changes = ("--set", "scaling.max_replicas=5", "--set", "envs=[{name: MAX_QUEUE, value: '9'}]")
    out = person.deploy("echo", "--name", "parrot", "--arg", "model=small:one", *changes)
    (tag,) = person.bentos()
    assert f"deploying {tag}" in out
    assert 'Deployment "parrot" is ready' in out
    config = cloud.deployments["parrot"].config
    assert (config["bento"], config["access_authorization"]) == (tag, True)
    assert config["envs"] == [{"name": "MAX_QUEUE", "value": "9"}]
    service = config["services"]["Echo"]
    assert (service["scaling"]["min_replicas"], service["scaling"]["max_replicas"]) == (1, 5)
    assert service["config_overrides"]["traffic"]["concurrency"] == 256
    files = cloud.artifact("bento", *tag.split(":")).files
    assert {"bento.yaml", "env/docker/Dockerfile", "src/services/echo.py"} <= set(files)
    assert "model.safetensors" in cloud.artifact("model", "small", "one").files


def test_a_bento_of_the_store_is_uploaded_once(
    echo_home: Path, tag: str, cloud: BentoCloud
) -> None:
    person = Person(echo_home, cloud)
    person.deploy("echo", "--bento", tag, "--no-wait")
    assert "there is a deployment 'llm-echo' already" in person.refusal("echo", "--bento", tag)
    person.deploy("echo", "--bento", tag, "--no-wait", "--name", "second")
    assert set(cloud.deployments) == {"llm-echo", "second"}
    assert person.bentos() == [tag]
    assert len([request for request in cloud.requests if request.startswith("PUT")]) == 1


def test_secrets_and_instances_are_looked_up_there_by_name(
    echo_home: Path, tag: str, cloud: BentoCloud
) -> None:
    person = Person(echo_home, cloud)
    command = ("echo", "--bento", tag, "--no-wait", "--set", "secrets=[huggingface]")
    refusal = person.refusal(*command)
    assert "BentoCloud has no secret 'huggingface'" in refusal
    assert "`bentoml secret create huggingface NAME=…`" in refusal
    person.run("bentoml", "secret", "create", "huggingface", "HF_TOKEN=hf_x")
    refusal = person.refusal(*command, "--set", "instance_type=cpu.64")
    assert refusal.endswith("no 'cpu.64' for you; it has cpu.2, cpu.8, gpu.a100.1x80, gpu.h100.1")
    person.deploy(*command)
    assert cloud.deployments["llm-echo"].config["secrets"] == ["huggingface"]


def test_a_variable_that_a_bento_needs_may_stand_in_the_file(
    tmp_path: Path, cloud: BentoCloud
) -> None:
    """BentoML's client looks for it among options only."""
    person = Person(tmp_path / "home", cloud)
    person.home.mkdir()
    content = yaml.safe_load((REPOSITORY / "bentos/echo/bentofile.yaml").read_text("utf-8"))
    content["envs"] = [*content["envs"], {"name": "LICENSE_KEY"}]
    bentofile = tmp_path / "bentofile.yaml"
    bentofile.write_text(yaml.safe_dump(content), "utf-8")
    person.run("bentoml", "build", "-f", str(bentofile))
    command = ("echo", "--bento", *person.bentos(), "--no-wait")
    assert "missing: ['LICENSE_KEY']" in person.refusal(*command)
    person.deploy(*command, "--set", "envs=[{name: LICENSE_KEY, value: abc}]")


def test_without_a_login_nothing_is_built(tmp_path: Path) -> None:
    person = Person(tmp_path)
    refusal = person.refusal("echo")
    assert refusal.startswith(f"there is no BentoCloud login: {LOG_IN}")
    assert refusal.endswith("or run `bentoml cloud login`")
    assert person.bentos() == []


def test_a_login_that_is_not_taken(tmp_path: Path, cloud: BentoCloud) -> None:
    person = Person(tmp_path, cloud, {"BENTO_CLOUD_API_KEY": "old"})
    line = f"{cloud.url} does not accept the login (401): {LOG_IN}"
    assert person.refusal("echo").startswith(line)
    assert person.bentos() == []


def test_the_login_of_bentoml_serves(echo_home: Path, tag: str, cloud: BentoCloud) -> None:
    person = Person(echo_home)
    token = ("--endpoint", cloud.url, "--api-token", cloud.token)
    person.run("bentoml", "cloud", "login", *token)
    try:
        person.deploy("echo", "--bento", tag, "--no-wait")
    finally:
        (echo_home / ".yatai.yaml").unlink()
    assert set(cloud.deployments) == {"llm-echo"}


def test_nobody_or_somebody_else_at_the_address(tmp_path: Path, start_cloud: CloudFactory) -> None:
    other = start_cloud("not JSON")
    assert "does not answer as BentoCloud does" in Person(tmp_path, other).refusal("echo")
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    variables = {"BENTO_CLOUD_API_ENDPOINT": url, "BENTO_CLOUD_API_KEY": "x"}
    refusal = Person(tmp_path, variables=variables).refusal("echo")
    assert refusal.startswith(f"{url} cannot be reached")


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [("upload", "the storage is full"), ("reject", "quota exceeded: no more GPUs")],
)
def test_what_is_not_accepted_may_be_tried_again(
    trouble: str, reason: str, echo_home: Path, tag: str, start_cloud: CloudFactory
) -> None:
    cloud = start_cloud(trouble)
    person = Person(echo_home, cloud)
    refusal = person.refusal("echo", "--bento", tag)
    assert reason in refusal
    assert refusal.endswith(f"to try again: scripts/deploy echo --bento {tag}")
    assert cloud.deployments == {}
    cloud.trouble = ""
    person.deploy("echo", "--bento", tag, "--no-wait")
    assert set(cloud.deployments) == {"llm-echo"}


def test_an_image_that_cannot_be_built(
    echo_home: Path, tag: str, start_cloud: CloudFactory
) -> None:
    refusal = Person(echo_home, start_cloud("image")).refusal("echo", "--bento", tag)
    assert "`bentoml deployment get llm-echo` tells more" in refusal


def test_tags_that_cannot_be_deployed(echo_home: Path, tag: str) -> None:
    person = Person(echo_home)
    refusal = person.refusal("echo", "--bento", "llm-echo:none", "--dry-run")
    assert refusal.startswith("--bento llm-echo:none: is not in the store; `bentoml list")
    refusal = person.refusal("vllm", "--bento", tag, "--dry-run")
    assert refusal.endswith("is one of 'echo', not of 'vllm'")
    refusal = person.refusal("echo", "--bento", tag, "--arg", "seed=1", "--dry-run")
    assert refusal.startswith("--arg: the bento of --bento has its settings already")
