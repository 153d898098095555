"""Some settings change what clients see: keys, origins, pages, limits, names, phases."""

import httpx
import pytest

from tests.conftest import EchoFactory
from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    MARKER,
    MESSAGES,
    Samples,
    assert_error,
    model_card,
    post,
    user,
)
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

KEYS = ("first-key", "second-key")
SYSTEM_PROMPT = "Answer in French."
ORIGIN = "https://example.org"


@pytest.fixture
def closed(echo_service: EchoFactory) -> Service:
    """Returns a service as closed as it gets, and open to one origin."""
    return echo_service(
        api_keys=",".join(KEYS),
        metrics_public=False,
        docs=False,
        cors_origins=ORIGIN,
        max_body_bytes=2048,
        served_model_name="org/name",
        max_model_len=64,
    )


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/v1/models/x"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        {"authorization": "Bearer"},
        {"authorization": "first-key"},
        {"x-api-key": "wrong"},
        {"x-api-key": ""},
        {**bearer("wrong"), "x-api-key": "first-key"},
    ],
)
def test_without_a_valid_key_a_route_is_closed(
    closed: Service, path: str, headers: dict[str, str]
) -> None:
    response = closed.http.get(path, headers=headers)
    message = assert_error(response, 401, "invalid_api_key")
    assert response.headers["www-authenticate"] == "Bearer"
    assert not any(key in message for key in KEYS)


@pytest.mark.parametrize(
    "path", [GENERATE, CHAT, COMPLETIONS, MESSAGES, "/tokenize", "/detokenize"]
)
def test_a_key_is_asked_for_before_the_body_is_read(closed: Service, path: str) -> None:
    assert_error(closed.http.post(path, content=b"{"), 401, "invalid_api_key")
    assert_error(closed.http.delete("/v1/requests/a"), 401, "invalid_api_key")


@pytest.mark.parametrize("key", KEYS)
def test_each_key_opens_every_route(closed: Service, key: str) -> None:
    for headers in (bearer(key), {"x-api-key": key}):
        for path in ("/v1/models", "/metrics"):
            assert closed.http.get(path, headers=headers).status_code == 200
        body = {"prompt": "a", "max_tokens": 1}
        assert closed.http.post(GENERATE, json=body, headers=headers).status_code == 200
    assert key not in closed.log_text()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/health", "/ping"])
def test_health_stays_open(closed: Service, path: str) -> None:
    assert closed.http.get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/openapi.json", "/web/chat.js", "/bentoml", "/docs.json", "/schema.json"],
)
def test_the_pages_can_be_switched_off(closed: Service, path: str) -> None:
    assert_error(closed.http.get(path, headers=bearer(KEYS[0])), 404, "not_found")


@pytest.fixture
def keyed(echo_service: EchoFactory) -> Service:
    """Returns a service with a key and a system prompt, all else by default."""
    return echo_service(api_keys="k", system_prompt=SYSTEM_PROMPT)


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/web/chat.js"])
def test_the_page_that_asks_for_a_key_needs_none_and_tells_nothing_of_the_service(
    keyed: Service, path: str
) -> None:
    response = keyed.http.get(path)
    assert response.status_code == 200
    assert SYSTEM_PROMPT not in response.text
    assert '"demo"' not in response.text


def test_the_document_says_whether_a_key_is_needed(keyed: Service) -> None:
    paths = keyed.http.get("/openapi.json").json()["paths"]
    secured = {path for path, methods in paths.items() if "security" in str(methods)}
    assert {*paths} - secured == {"/livez", "/readyz", "/healthz", "/health", "/ping", "/metrics"}


def test_keys_close_bentomls_pages_and_leave_metrics_open_by_default(keyed: Service) -> None:
    assert keyed.http.get("/metrics").status_code == 200
    assert_error(keyed.http.get("/bentoml"), 401, "invalid_api_key")
    assert_error(keyed.http.get("/schema.json"), 401, "invalid_api_key")
    assert keyed.http.get("/schema.json", headers=bearer("k")).status_code == 200


def test_null_takes_the_services_system_prompt_and_an_empty_one_takes_none(
    keyed: Service,
) -> None:
    def tokens(path: str, **body: object) -> int:
        before = Samples(keyed)["prompt_tokens_total"]
        response = keyed.http.post(path, json=body, headers=bearer("k"))
        assert response.status_code == 200
        if path == "/tokenize":
            return int(response.json()["count"])
        eventually(lambda: Samples(keyed)["prompt_tokens_total"] > before, DEADLINE, "counted")
        return int(Samples(keyed)["prompt_tokens_total"] - before)

    system = {"role": "system", "content": SYSTEM_PROMPT}
    plain = tokens("/tokenize", messages=user("Hello"))
    with_default = tokens("/tokenize", messages=[system, *user("Hello")])
    assert tokens(GENERATE, prompt="Hello", max_tokens=1) == with_default > plain
    assert tokens(GENERATE, prompt="Hello", max_tokens=1, system_prompt=None) == with_default
    assert tokens(GENERATE, prompt="Hello", max_tokens=1, system_prompt="") == plain


def test_the_named_origin_may_read_answers_and_no_other(closed: Service) -> None:
    response = closed.http.get("/livez", headers={"origin": ORIGIN})
    assert response.headers["access-control-allow-origin"] == ORIGIN
    response = closed.http.get("/livez", headers={"origin": "https://other.org"})
    assert "access-control-allow-origin" not in response.headers


def test_a_page_of_the_origin_may_send_any_header(closed: Service) -> None:
    sent = "authorization,content-type,x-stainless-lang,x-stainless-retry-count"
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": sent}
    response = closed.http.options(CHAT, headers={"origin": ORIGIN, **preflight})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert response.headers["access-control-allow-headers"] == sent


def test_no_origin_is_allowed_by_default(backend_service: Service) -> None:
    response = backend_service.http.get("/livez", headers={"origin": ORIGIN})
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_the_body_limit_is_a_setting(closed: Service) -> None:
    body = {"prompt": "a" * 3000}
    response = closed.http.post("/tokenize", json=body, headers=bearer(KEYS[0]))
    assert "2048" in assert_error(response, 413, "request_too_large")


def test_the_served_name_and_context_are_settings(closed: Service) -> None:
    closed.http.headers.update(bearer(KEYS[0]))
    try:
        card = model_card(closed)
        assert (card["id"], card["max_model_len"]) == ("org/name", 64)
        assert closed.http.get("/v1/models/org/name").json() == card
        assert post(closed, CHAT, model="org/name", max_tokens=1).json()["model"] == "org/name"
        message = assert_error(
            post(closed, CHAT, "7" * 100), 400, "context_length_exceeded", "messages"
        )
        assert "64" in message
    finally:
        del closed.http.headers["authorization"]


def test_while_loading_it_is_alive_and_names_the_phase(fresh_echo_service: EchoFactory) -> None:
    service = fresh_echo_service(wait=False, engine_args={"start_delay": 2})
    eventually(lambda: answers(service), DEADLINE, "HTTP is up")
    for path in ("/readyz", "/healthz", "/health", "/ping"):
        response = service.http.get(path)
        assert "'load'" in assert_error(response, 503, "not_ready")
        assert int(response.headers["retry-after"]) > 0
    for path in (GENERATE, CHAT, COMPLETIONS):
        assert_error(post(service, path, MARKER), 503, "not_ready")
    assert_error(service.http.get("/v1/models"), 503, "not_ready")
    assert service.http.get("/livez").status_code == 200
    service.wait_ready(20)
    assert post(service, GENERATE, max_tokens=1).status_code == 200


def answers(service: Service) -> bool:
    try:
        return service.http.get("/livez").status_code == 200
    except httpx.TransportError:
        return False
