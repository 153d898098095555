"""Keys with names: limits in a minute on every route, and usage by name."""

from pathlib import Path

import httpx
import openai
import pytest

from tests.conftest import EchoFactory
from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    COUNT_TOKENS,
    GENERATE,
    MESSAGES,
    Samples,
    assert_error,
    body_for,
)
from tests.limits import DEADLINE
from tests.service_process import Service, eventually

RESPONSES = "/v1/responses"
ROUTES = [GENERATE, CHAT, COMPLETIONS, RESPONSES, MESSAGES, COUNT_TOKENS, "/tokenize"]
LIMITED = [name.strip("/").replace("/", "-") for name in ROUTES]
"""The names of keys with one request in a minute: one for each route."""
TABLE = '[{0}]\nkey = "{0}-key"\n{1}\n'
KEYS = [
    TABLE.format("free", ""),
    TABLE.format("tokens", "tokens_per_minute = 30"),
    TABLE.format("both", "requests_per_minute = 600\ntokens_per_minute = 60000"),
    *(TABLE.format(name, "requests_per_minute = 1") for name in LIMITED),
]


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    file.write_text("\n".join(KEYS), "utf-8")
    return file


@pytest.fixture
def named(echo_service: EchoFactory, keys_file: Path) -> Service:
    return echo_service(api_keys_file=str(keys_file), api_keys="plain-key")


def post(service: Service, path: str, key: str, **fields: object) -> httpx.Response:
    body = body_for(path, "Hello", **fields)
    if path == RESPONSES:
        body = {"input": "Hello", **fields}
    return service.http.post(path, json=body, headers={"authorization": f"Bearer {key}"})


def usage(service: Service) -> dict[tuple[str, str], float]:
    """Returns what names have used, by the end of the series' name and the name of the key."""
    prefix = "gen_ai_server_key_"
    return {
        (sample.name.removeprefix(prefix), sample.labels["key_name"]): sample.value
        for name, family in Samples(service).families.items()
        if name.startswith(prefix)
        for sample in family.samples
    }


@pytest.mark.parametrize(("path", "name"), [*zip(ROUTES, LIMITED, strict=True)])
def test_each_route_refuses_what_is_beyond_a_limit_in_its_own_shape(
    named: Service, path: str, name: str
) -> None:
    first = post(named, path, f"{name}-key")
    assert first.status_code == 200, first.text
    assert first.headers["x-ratelimit-limit-requests"] == "1"
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    refused = post(named, path, f"{name}-key")
    assert repr(name) in assert_error(refused, 429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-reset-requests"].endswith("s")


def test_tokens_count_once_they_are_generated(named: Service) -> None:
    options = {"max_tokens": 50, "ignore_eos": True}
    assert post(named, GENERATE, "tokens-key", **options).status_code == 200
    eventually(lambda: usage(named)["generated_tokens_total", "tokens"] == 50, DEADLINE, "counted")
    refused = post(named, CHAT, "tokens-key")
    assert "30 tokens per minute" in assert_error(refused, 429, "rate_limit_exceeded")
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
    assert "x-ratelimit-limit-requests" not in refused.headers


def test_usage_is_told_by_name_and_never_by_key(named: Service) -> None:
    before = usage(named)
    for key in ("free-key", "plain-key"):
        assert post(named, COMPLETIONS, key, max_tokens=7, ignore_eos=True).status_code == 200
    eventually(lambda: usage(named)["generated_tokens_total", "api_keys"] >= 7, DEADLINE, "counted")
    now = usage(named)
    for name in ("free", "api_keys"):
        grown = {each: now[each] - before[each] for each in now if each[1] == name}
        assert grown.pop(("prompt_tokens_total", name)) > 0
        assert grown == {
            ("requests_total", name): 1,
            ("refusals_total", name): 0,
            ("generated_tokens_total", name): 7,
        }
    names = {name for _, name in now}
    assert names == {"free", "tokens", "both", "api_keys", *LIMITED}
    assert "free-key" not in named.http.get("/metrics").text + named.log_text()


def test_openais_client_reads_the_limits_and_waits_for_them(named: Service) -> None:
    with openai.OpenAI(base_url=f"{named.url}/v1", api_key="both-key", max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="demo", messages=[{"role": "user", "content": "Hello"}], max_tokens=2, stream=True
        )
        assert raw.headers["x-ratelimit-limit-tokens"] == "60000"
        assert int(raw.headers["x-ratelimit-remaining-requests"]) < 600
    name = LIMITED[0]
    post(named, GENERATE, f"{name}-key")
    with (
        openai.OpenAI(base_url=f"{named.url}/v1", api_key=f"{name}-key", max_retries=0) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        client.models.list()
    assert caught.value.code == "rate_limit_exceeded"


def test_open_routes_count_for_nobody(named: Service) -> None:
    before = usage(named)
    headers = {"authorization": "Bearer free-key"}
    for path in ("/livez", "/metrics", "/openapi.json"):
        assert named.http.get(path, headers=headers).status_code == 200
    assert usage(named) == before


def test_a_new_key_opens_without_a_restart(named: Service, keys_file: Path) -> None:
    assert post(named, GENERATE, "new-key").status_code == 401
    keys_file.write_text("\n".join([*KEYS, TABLE.format("new", "")]), "utf-8")
    eventually(
        lambda: post(named, GENERATE, "new-key", max_tokens=1).status_code == 200,
        DEADLINE,
        "the file is read again",
    )
    keys_file.write_text("\n".join(KEYS), "utf-8")
    eventually(lambda: post(named, GENERATE, "new-key").status_code == 401, DEADLINE, "it has gone")
    assert ("requests_total", "new") not in usage(named)
