"""What goes wrong on the way is one line, with what is to be done next."""

from pathlib import Path

import pytest

from tests.deploy.conftest import CloudFactory
from tests.deploy.support import Person


@pytest.mark.parametrize("transmission", ["proxy", "presigned", "multipart"])
def test_an_upload_that_breaks_off(
    transmission: str, echo_home: Path, bento: str, cloud: CloudFactory
) -> None:
    here = cloud(transmission=transmission, trouble="upload")
    person = Person(echo_home, here)
    told = person.refusal("echo", "--bento", bento)
    assert "the storage is full" in told
    assert told.endswith(f"to try again: scripts/deploy echo --bento {bento}")
    assert here.bento(bento).status.value != "success"
    assert here.deployments == {}


def test_a_deployment_that_is_not_accepted_may_be_tried_again(
    echo_home: Path, bento: str, cloud: CloudFactory
) -> None:
    here = cloud(trouble="reject")
    person = Person(echo_home, here)
    told = person.refusal("echo", "--bento", bento)
    assert "quota exceeded: no more GPUs for this organization" in told
    assert here.deployments == {}
    here.trouble = ""
    person.deploy("echo", "--bento", bento, "--no-wait")
    assert set(here.deployments) == {"llm-echo"}


def test_an_image_that_cannot_be_built(echo_home: Path, bento: str, cloud: CloudFactory) -> None:
    here = cloud(trouble="image")
    told = Person(echo_home, here).refusal("echo", "--bento", bento)
    assert "image-build-failed" in told
    assert "`bentoml deployment get llm-echo` tells more" in told


def test_a_name_that_is_taken(echo_home: Path, bento: str, cloud: CloudFactory) -> None:
    here = cloud()
    person = Person(echo_home, here)
    person.deploy("echo", "--bento", bento, "--no-wait")
    told = person.refusal("echo", "--bento", bento)
    assert told.startswith("error: bentos/echo/deployment.yaml:3: name: there is a deployment")
    assert "--name" in told


def test_a_build_that_fails_leaves_no_tag(tmp_path: Path, cloud: CloudFactory) -> None:
    """No file over a megabyte can be written; the demo model's weights are larger."""
    here = cloud()
    person = Person(tmp_path / "home", here, limit="ulimit -f 2048")
    person.home.mkdir()
    told = person.refusal("echo")
    assert told.startswith("error: llm-echo cannot be built: ")
    assert person.bentos() == []
    assert "llm-echo" not in Person(person.home).bentoml("list")
    assert not any(asked.startswith("POST") for asked in here.asked)


def test_tags_that_cannot_be_deployed(echo_home: Path, bento: str) -> None:
    person = Person(echo_home)
    told = person.refusal("echo", "--bento", "llm-echo:none", "--dry-run")
    assert told.startswith("error: --bento llm-echo:none: is not in the store; `bentoml list")
    told = person.refusal("vllm", "--bento", bento, "--dry-run")
    assert told.endswith("is one of 'echo', not of 'vllm'")
    told = person.refusal("echo", "--bento", bento, "--arg", "seed=1", "--dry-run")
    assert told.startswith("error: --arg: the bento of --bento has its settings already")
    assert "is not in the store" in person.refusal("echo", "--bento", "a:b:c", "--dry-run")


def test_a_bento_for_another_kind_of_machine(tmp_path: Path) -> None:
    person = Person(tmp_path)
    tag = person.run("scripts/bento", "vllm", "--cpu", "-o", "tag").stdout.strip()
    told = person.refusal("vllm", "--bento", tag, "--dry-run")
    assert told.endswith("is built for 'cpu', and deployment.yaml is of llm-vllm")


def test_an_unknown_backend(tmp_path: Path) -> None:
    told = Person(tmp_path).refusal("vlm", "--dry-run")
    assert told.startswith("error: no backend 'vlm' (did you mean 'vllm'?); there are echo, ")
