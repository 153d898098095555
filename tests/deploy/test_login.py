"""Without a login that BentoCloud takes nothing is built: one line says what to do."""

import socket
from pathlib import Path

from tests.deploy.conftest import CloudFactory
from tests.deploy.support import Person

LOG_IN = "set BENTO_CLOUD_API_KEY (and BENTO_CLOUD_API_ENDPOINT"


def test_no_login_at_all(tmp_path: Path) -> None:
    person = Person(tmp_path)
    told = person.refusal("echo")
    assert told.startswith(f"error: there is no BentoCloud login: {LOG_IN}")
    assert told.endswith("or run `bentoml cloud login`")
    assert person.bentos() == []


def test_a_login_that_is_not_taken(tmp_path: Path, cloud: CloudFactory) -> None:
    here = cloud()
    person = Person(tmp_path, here, extra={"BENTO_CLOUD_API_KEY": "old"})
    told = person.refusal("echo")
    assert told.startswith(f"error: {here.url} does not accept the login (401): {LOG_IN}")
    assert person.bentos() == []


def test_bentomls_own_login_serves(tmp_path: Path, cloud: CloudFactory) -> None:
    here = cloud()
    person = Person(tmp_path)
    token = ("--endpoint", here.url, "--api-token", here.token)
    assert "ada@example.com" in person.bentoml("cloud", "login", *token)
    told = person.refusal("echo", "--set", "instance_type=cpu.64")
    assert "BentoCloud has no 'cpu.64' for you (did you mean " in told
    assert told.endswith("it has cpu.2, cpu.8, gpu.a100.1x80, gpu.h100.1")
    wrong = ("--endpoint", here.url, "--api-token", "old")
    assert "401" in person.bentoml("cloud", "login", *wrong, status=1)


def test_nobody_at_the_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    address = {"BENTO_CLOUD_API_ENDPOINT": url, "BENTO_CLOUD_API_KEY": "x"}
    told = Person(tmp_path, extra=address).refusal("echo")
    assert told.startswith(f"error: {url} cannot be reached")


def test_something_else_at_the_address(tmp_path: Path, cloud: CloudFactory) -> None:
    here = cloud(trouble="not JSON")
    told = Person(tmp_path, here).refusal("echo")
    assert told.startswith(f"error: {here.url} does not answer as BentoCloud does")
