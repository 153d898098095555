"""The stand-in is stricter than the client: what a real server would not take, it does not."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.support import BentoCloud, Person
from tests.deploy.test_files import deployment
from tests.doubles.bentocloud.server import serving
from tests.doubles.bentocloud.wire import plain

BENTOS = "/api/v1/bento_repositories/llm-echo/bentos"


def client(cloud: BentoCloud) -> httpx.Client:
    return httpx.Client(base_url=cloud.url, headers={"X-YATAI-API-TOKEN": cloud.token})


@pytest.fixture(scope="module")
def pushed(echo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BentoCloud]:
    """Has the bento; tests share it."""
    with serving(BentoCloud(tmp_path_factory.mktemp("cloud"), "multipart")) as here:
        person = Person(echo_home, here)
        person.bentoml("push", *person.bentos())
        yield here


def body(tag: str, **changes: Any) -> dict[str, Any]:
    return {**deployment("echo"), "bento": tag, "dev": False, **changes}


def test_a_deployment_as_the_client_sends_it(pushed: BentoCloud, bento: str) -> None:
    with client(pushed) as http:
        assert http.post("/api/v2/deployments", json=body(bento)).status_code == 200
        assert http.post("/api/v2/deployments", json=body(bento)).status_code == 409
        assert http.get("/api/v2/deployments/llm-echo").json()["status"] == "image-building"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "red"}, "colour"),
        ({"access_authorization": "yes"}, "expected bool @ $.access_authorization"),
        ({"services": {"Echo": {"instance_typ": "cpu.2"}}}, "instance_typ"),
        ({"services": {"VLLM": {"instance_type": "cpu.2"}}}, "no service 'VLLM'"),
        ({"services": {"Echo": {"instance_type": "cpu.3"}}}, "no instance type 'cpu.3'"),
        ({"bento": "llm-echo:none"}, "record not found"),
        ({"secrets": ["none"]}, "no secret 'none'"),
    ],
)
def test_a_deployment_that_is_wrong(
    pushed: BentoCloud, bento: str, changes: dict[str, Any], words: str
) -> None:
    with client(pushed) as http:
        told = http.post("/api/v2/deployments", json=body(bento, **{"name": "wrong", **changes}))
    assert told.status_code in (400, 404)
    assert words in told.text
    assert "wrong" not in pushed.deployments


def test_nothing_is_told_without_the_token(pushed: BentoCloud) -> None:
    assert httpx.get(f"{pushed.url}/api/v1/auth/current").status_code == 401


def archive(**files: str) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as found:
        for name, text in files.items():
            info = tarfile.TarInfo(f"./{name.replace('_', '.')}")
            info.size = len(text)
            found.addfile(info, io.BytesIO(text.encode()))
    return output.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"nothing", "no whole archive"),
        (archive(README_md="x"), "has no bento.yaml"),
        (archive(bento_yaml="name: other\nversion: v\n"), "the upload is other:v"),
        (archive(bento_yaml="name: llm-echo\nversion: again\n")[:700], "no whole archive"),
    ],
)
def test_an_upload_that_is_not_the_bento(
    pushed: BentoCloud, bento: str, content: bytes, words: str
) -> None:
    registered = pushed.bento(bento).content
    version = hashlib.sha256(content).hexdigest()[:8]
    with client(pushed) as http:
        assert http.post(BENTOS, json=register(registered, version)).status_code == 200
        one = f"{BENTOS}/{version}"
        url = http.patch(f"{one}/presign_upload_url").json()["presigned_upload_url"]
        assert "not started" in http.put(url, content=content).text
        http.patch(f"{one}/start_upload")
        assert http.put(url, content=content).status_code == 200
        told = http.patch(f"{one}/finish_upload", json={"status": "success", "reason": ""})
        assert told.status_code == 400
        assert words in told.text
        http.patch(f"{one}/finish_upload", json={"status": "failed", "reason": "gave up"})
        told = http.post("/api/v2/deployments", json=body(f"llm-echo:{version}", name="wrong"))
        assert "was not uploaded: failed" in told.text


def register(content: Any, version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(plain(content)))
    return {**found, "version": version}


def test_parts_that_are_missing_or_changed(pushed: BentoCloud, bento: str) -> None:
    one = f"{BENTOS}/{bento.partition(':')[2]}"
    upload = f"upload-of-{bento.replace(':', '-')}"
    with client(pushed) as http:

        def complete(*parts: tuple[int, str], upload_id: str = upload) -> str:
            numbered = [{"part_number": number, "etag": tag} for number, tag in parts]
            content = {"upload_id": upload_id, "parts": numbered}
            return http.patch(f"{one}/complete_multipart_upload", json=content).text

        assert "InvalidPart" in complete()
        assert "InvalidPart" in complete((1, "0" * 32))
        assert "NoSuchUpload" in complete(upload_id="other")
