"""Paths that probes and gateways try, in every spelling that means a route."""

import gzip
import json

import pytest

from tests.contract.support import CHAT, GENERATE, assert_error, body_for, model_card, post
from tests.service_process import Service

PROBES = ["/livez", "/readyz", "/healthz", "/health", "/ping"]
READ_ONLY = [*PROBES, "/version", "/metrics", "/v1/models"]


@pytest.mark.parametrize("path", PROBES)
def test_a_ready_service_is_healthy(backend_service: Service, path: str) -> None:
    response = backend_service.http.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"


def test_the_version_is_that_of_the_engine(backend_service: Service) -> None:
    card = model_card(backend_service)
    value = backend_service.http.get("/version").json()
    assert value == {"version": card["backend_version"], "backend": card["backend"]}


PAGES = ["/", "/docs", "/openapi.json", "/web/chat.js", "/web/style.css", "/web/icon.svg"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_may_load_only_from_its_own_service(backend_service: Service, path: str) -> None:
    response = backend_service.http.get(path)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert (
        backend_service.http.head(path).headers["content-type"] == response.headers["content-type"]
    )


@pytest.mark.parametrize("path", ["/docs", "/bentoml"])
def test_a_page_is_at_one_address_so_that_its_relative_links_lead(
    backend_service: Service, path: str
) -> None:
    response = backend_service.http.get(f"{path}/")
    assert response.status_code == 308
    assert backend_service.http.get(f"{path}/", follow_redirects=True).url.path == path


@pytest.mark.parametrize("name", ["", "nothing.js", "docs.html.jinja", "../app.py", "..%2fapp.py"])
def test_only_the_files_of_the_pages_are_served(backend_service: Service, name: str) -> None:
    assert_error(backend_service.http.get(f"/web/{name}"), 404, "not_found")


@pytest.mark.parametrize("path", READ_ONLY)
def test_head_gets_the_head_that_get_would_get(backend_service: Service, path: str) -> None:
    response = backend_service.http.head(path)
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["content-type"] == backend_service.http.get(path).headers.get(
        "content-type"
    )


@pytest.mark.parametrize("path", READ_ONLY)
def test_a_slash_may_follow_a_path(backend_service: Service, path: str) -> None:
    assert backend_service.http.get(f"{path}/").status_code == 200


def test_a_slash_may_follow_the_path_of_a_generation_and_of_a_name(
    backend_service: Service,
) -> None:
    for path in (GENERATE, CHAT):
        body = body_for(path, "Hello", max_tokens=1)
        assert backend_service.http.post(f"{path}/", json=body).status_code == 200
    card = model_card(backend_service)
    assert backend_service.http.get(f"/v1/models/{card['id']}/").json() == card


def test_a_compressed_body_is_refused_by_the_name_of_its_header(backend_service: Service) -> None:
    data = json.dumps(body_for(GENERATE, "Hello")).encode()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    response = backend_service.http.post(GENERATE, content=gzip.compress(data), headers=headers)
    message = assert_error(response, 415, "unsupported_media_type")
    assert "content-encoding" in message
    assert "'gzip'" in message
    headers["content-encoding"] = "identity"
    response = backend_service.http.post("/tokenize", content=data, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("name", ["", "default", None])
def test_no_name_means_the_served_model(backend_service: Service, name: str | None) -> None:
    assert post(backend_service, CHAT, model=name, max_tokens=1).status_code == 200
