"""scripts/deploy echo, and BentoML's own commands, against a stand-in of BentoCloud."""

import sys
from pathlib import Path

import pytest
import yaml

from common.models.model import DEMO_MODEL
from tests.bentos.support import Store
from tests.deploy.conftest import CloudFactory
from tests.deploy.support import BentoCloud, Person
from tests.service_process import REPOSITORY


def only_bento(cloud: BentoCloud) -> str:
    (key,) = cloud.artifacts["bento"].versions
    return ":".join(key)


def test_a_backend_is_built_sent_and_runs(tmp_path: Path, cloud: CloudFactory) -> None:
    here = cloud()
    person = Person(tmp_path / "home", here)
    person.home.mkdir()
    changes = ("--set", "scaling.max_replicas=5", "--set", "envs=[{name: MAX_QUEUE, value: '9'}]")
    out = person.deploy("echo", "--name", "parrot", "--arg", "system_prompt=Be brief.", *changes)
    (tag,) = person.bentos()
    assert f"deploying {tag}" in out
    assert 'Deployment "parrot" is ready' in out
    deployment = here.deployments["parrot"]
    assert deployment.status.value == "running"
    config = deployment.config
    assert (config.bento, config.access_authorization) == (tag, True)
    assert [(one.name, one.value) for one in config.envs] == [("MAX_QUEUE", "9")]
    service = config.services["Echo"]
    assert (service.scaling.min_replicas, service.scaling.max_replicas) == (1, 5)
    assert service.config_overrides["traffic"]["concurrency"] == 256
    files = here.bento(tag).upload.files()
    assert {"bento.yaml", "env/docker/Dockerfile", "src/services/echo.py"} <= set(files)
    assert "system_prompt: Be brief." in (
        person.home / "bentos" / tag.replace(":", "/") / "bento.yaml"
    ).read_text("utf-8")


def test_a_model_of_the_store_travels_with_the_bento(tmp_path: Path, cloud: CloudFactory) -> None:
    here = cloud()
    person = Person(tmp_path / "home", here)
    person.home.mkdir()
    Store(person.home).put_model("small:one", DEMO_MODEL)
    person.deploy("echo", "--arg", "model=small:one")
    assert here.deployments["llm-echo"].status.value == "running"
    (model,) = here.artifacts["model"].versions.values()
    assert model.status.value == "success"
    assert "model.safetensors" in model.upload.files()


@pytest.mark.parametrize("transmission", ["proxy", "presigned", "multipart"])
def test_a_bento_arrives_whole_by_every_way(
    transmission: str, echo_home: Path, bento: str, cloud: CloudFactory
) -> None:
    here = cloud(transmission=transmission)
    Person(echo_home, here).bentoml("push", bento)
    assert only_bento(here) == bento
    arrived = here.bento(bento)
    assert arrived.status.value == "success"
    local = echo_home / "bentos" / bento.replace(":", "/")
    sizes = {
        str(file.relative_to(local)): file.stat().st_size
        for file in local.rglob("*")
        if file.is_file()
    }
    assert arrived.upload.files() == sizes


def test_a_large_model_arrives_in_parts(tmp_path: Path, cloud: CloudFactory) -> None:
    here = cloud(transmission="multipart")
    person = Person(tmp_path / "home", here)
    large = 101 * 2**20
    made = (
        "import bentoml, os\n"
        "with bentoml.models.create('large:one') as model:\n"
        f"    os.truncate(os.open(model.path_of('weights'), os.O_CREAT | os.O_RDWR), {large})\n"
    )
    person.home.mkdir()
    person.run(sys.executable, "-W", "ignore", "-c", made)
    person.bentoml("models", "push", "large:one")
    model = here.artifacts["model"].get("large", "one")
    assert model.upload.files()["weights"] == large
    assert sorted(model.upload.parts) == [1, 2]


def test_a_bento_of_the_store_is_deployed_again(
    echo_home: Path, bento: str, cloud: CloudFactory
) -> None:
    here = cloud()
    person = Person(echo_home, here)
    person.deploy("echo", "--bento", bento, "--no-wait")
    person.deploy("echo", "--bento", bento, "--no-wait", "--name", "second")
    assert set(here.deployments) == {"llm-echo", "second"}
    assert person.bentos() == [bento]
    uploads = [asked for asked in here.asked if asked.startswith("PUT /storage/")]
    assert len(uploads) == 1


def test_secrets_are_looked_up_there_by_name(
    echo_home: Path, bento: str, cloud: CloudFactory
) -> None:
    here = cloud()
    person = Person(echo_home, here)
    command = ("echo", "--bento", bento, "--no-wait", "--set", "secrets=[huggingface]")
    told = person.refusal(*command)
    assert "BentoCloud has no secret 'huggingface'" in told
    assert "`bentoml secret create huggingface NAME=…`" in told
    person.bentoml("secret", "create", "huggingface", "HF_TOKEN=hf_x")
    person.deploy(*command)
    assert here.deployments["llm-echo"].config.secrets == ["huggingface"]


def test_what_a_bento_needs_comes_from_the_file_or_a_secret(
    tmp_path: Path, cloud: CloudFactory
) -> None:
    """BentoML's client would not look into the file."""
    here = cloud()
    person = Person(tmp_path / "home", here)
    person.home.mkdir()
    bentofile = tmp_path / "bentofile.yaml"
    content = yaml.safe_load((REPOSITORY / "bentos/echo/bentofile.yaml").read_text("utf-8"))
    content["envs"] = [*content.get("envs", []), {"name": "LICENSE_KEY"}]
    bentofile.write_text(yaml.safe_dump(content), "utf-8")
    person.bentoml("build", "-f", str(bentofile))
    (tag,) = person.bentos()
    command = ("echo", "--bento", tag, "--no-wait")
    assert "the bento needs LICENSE_KEY" in person.refusal(*command)
    person.deploy(*command, "--set", "envs=[{name: LICENSE_KEY, value: abc}]")
    person.bentoml("secret", "create", "license", "LICENSE_KEY=abc")
    person.bentoml("secret", "create", "other", "KEY=abc")
    wrong = ("--set", "secrets=[other]", "--name", "second")
    assert "the bento needs LICENSE_KEY" in person.refusal(*command, *wrong)
    person.deploy(*command, "--set", "secrets=[license]", "--name", "second")
