"""Health, metrics and request ids."""

import re

import httpx
import pytest

from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    MARKER,
    MESSAGES,
    RESPONSES,
    Body,
    Samples,
    assert_error,
    expect_outcomes,
    model_card,
    post,
    text_of,
    tokenize,
    user,
)
from tests.limits import DEADLINE
from tests.service_process import Service, adds_metrics, eventually

PATHS = [GENERATE, CHAT, COMPLETIONS, RESPONSES, MESSAGES]
HISTOGRAMS = {
    "gen_ai_server_time_to_first_token_seconds": (0.001, 10.0, 16),
    "gen_ai_server_time_per_output_token_seconds": (0.01, 2.5, 13),
    "gen_ai_server_inter_token_latency_seconds": (0.001, 2.5, 16),
    "gen_ai_server_request_duration_seconds": (0.01, 81.92, 14),
    "gen_ai_server_time_in_queue_seconds": (0.01, 81.92, 14),
    "gen_ai_server_prompt_length_tokens": (1, 1048576, 11),
    "gen_ai_server_answer_length_tokens": (1, 1048576, 11),
}
OWN_LABELS = {"le", "outcome", "phase", "reason", "status", "code"}
OUTCOMES = {"stop", "length", "cancelled", "rejected", "error"}


def test_metrics_parse_and_have_their_types_and_labels(backend_service: Service) -> None:
    post(backend_service, GENERATE, max_tokens=2)
    samples, card = Samples(backend_service), model_card(backend_service)
    expected = {
        "backend": backend_service.backend,
        "model": card["id"],
        "quantization": card["quantization"],
    }
    names = [each["id"] for each in backend_service.http.get("/v1/models").json()["data"]]
    own = [family for name, family in samples.families.items() if name.startswith("gen_ai_")]
    assert len(own) >= 9
    for family in own:
        assert family.documentation
        assert family.type != "unknown"
        for sample in family.samples:
            assert {**expected, "model": sample.labels["model"]}.items() <= sample.labels.items()
            assert sample.labels["model"] in names
            assert set(sample.labels) - set(expected) <= OWN_LABELS


def test_openmetrics_have_the_request_id_as_exemplar(backend_service: Service) -> None:
    if adds_metrics(backend_service.backend):
        pytest.skip("the engine's own page is in the plain text format")
    headers = {"x-request-id": "the-exemplar", "accept": "application/openmetrics-text"}
    body = {"prompt": "Hello", "max_tokens": 1}
    assert backend_service.http.post(GENERATE, json=body, headers=headers).status_code == 200
    eventually(
        lambda: (
            '# {request_id="the-exemplar"}'
            in backend_service.http.get("/metrics", headers=headers).text
        ),
        2,
        "an exemplar",
    )
    response = backend_service.http.get("/metrics", headers=headers)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_histograms_have_the_buckets_of_opentelemetry(backend_service: Service, name: str) -> None:
    post(backend_service, GENERATE, max_tokens=5, ignore_eos=True)
    family = Samples(backend_service).families[name]
    assert family.type == "histogram"
    model = model_card(backend_service)["id"]
    samples = [sample for sample in family.samples if sample.labels["model"] == model]
    buckets = [sample for sample in samples if sample.name.endswith("_bucket")]
    edges = [float(sample.labels["le"]) for sample in buckets]
    low, high, count = HISTOGRAMS[name]
    assert (edges[0], edges[-2], edges[-1]) == (low, high, float("inf"))
    assert len(edges) == count + 1
    values = [sample.value for sample in buckets]
    assert values == sorted(values)
    (total,) = [sample.value for sample in samples if sample.name.endswith("_count")]
    assert values[-1] == total > 0


def test_there_is_a_counter_for_each_outcome_and_no_other(backend_service: Service) -> None:
    assert set(Samples(backend_service).outcomes()) == OUTCOMES


def exactly(path: str, tokens: int) -> Body:
    """Returns the fields of an answer of so many tokens; /v1/messages has no ignore_eos, and a chat
    says more."""
    return {"max_tokens": tokens, **({} if path == MESSAGES else {"ignore_eos": True})}


@pytest.mark.parametrize("path", PATHS)
def test_one_request_moves_every_counter_by_its_own_amount(
    backend_service: Service, path: str
) -> None:
    before = Samples(backend_service)
    assert post(backend_service, path, **exactly(path, 3)).status_code == 200
    expect_outcomes(backend_service, before, length=1)
    shape = {"prompt": "Hello"} if path == COMPLETIONS else {"messages": user("Hello")}
    prompt_tokens = len(tokenize(backend_service, **shape))
    expected = {
        "prompt_tokens_total": prompt_tokens,
        "prompt_length_tokens_sum": prompt_tokens,
        "prompt_length_tokens_count": 1,
        "answer_length_tokens_sum": 3,
        "answer_length_tokens_count": 1,
        "time_in_queue_seconds_count": 1,
        "generated_tokens_total": 3,
        "reasoning_tokens_total": 0,
        "time_to_first_token_seconds_count": 1,
        "time_per_output_token_seconds_count": 1,
        "request_duration_seconds_count": 1,
        "requests_running": 0,
        "requests_waiting": 0,
    }
    now = Samples(backend_service)
    assert {name: now[name] - before[name] for name in expected} == expected
    assert now["time_to_first_token_seconds_sum"] > before["time_to_first_token_seconds_sum"]


def answered_text(path: str, value: Body) -> str:
    """Returns the text of an answer that is an object."""
    if path == MESSAGES:
        return str(value["content"][0]["text"])
    if path == RESPONSES:
        return str(value["output"][0]["content"][0]["text"])
    return text_of(value)


@pytest.mark.parametrize("path", PATHS)
def test_a_stop_is_counted_as_stop_and_a_refusal_as_rejected(
    backend_service: Service, path: str
) -> None:
    before = Samples(backend_service)
    first = post(backend_service, path, temperature=0, **exactly(path, 8))
    text = first.text if path == GENERATE else answered_text(path, first.json())
    stop = {"stop_sequences": [text[2:4]]} if path == MESSAGES else {"stop": text[2:4]}
    response = post(backend_service, path, temperature=0, max_tokens=8, **stop)
    assert response.status_code == 200
    assert post(backend_service, path, temperature=-1).status_code == 400
    assert backend_service.http.post(path, content=b"{").status_code == 415
    expect_outcomes(backend_service, before, length=1, stop=1, rejected=2)


def test_unknown_paths_and_methods_add_no_series(backend_service: Service) -> None:
    before = Samples(backend_service).series
    for number in range(20):
        backend_service.http.get(f"/{MARKER}/{number}")
        backend_service.http.post(f"/v1/models/{MARKER}{number}")
        backend_service.http.request(f"M{number}", "/generate")
        post(backend_service, CHAT, model=f"{MARKER}{number}")
    assert Samples(backend_service).series == before


def test_the_kv_cache_is_reported_as_a_fraction(backend_service: Service) -> None:
    samples = Samples(backend_service)
    if "gen_ai_server_kv_cache_usage_ratio" in samples.families:
        assert 0 <= samples["kv_cache_usage_ratio"] <= 1


def test_running_requests_are_counted(backend_service: Service) -> None:
    body = {"prompt": "Hello", "max_tokens": 3000, "ignore_eos": True, "n": 2, "stream": True}
    with backend_service.http.stream("POST", COMPLETIONS, json=body):
        assert Samples(backend_service)["requests_running"] == 2
    eventually(lambda: Samples(backend_service)["requests_running"] == 0, DEADLINE, "none runs")


def all_kinds_of_answers(service: Service, headers: dict[str, str]) -> list[httpx.Response]:
    http = service.http
    return [
        http.post(GENERATE, json={"prompt": "a", "max_tokens": 1}, headers=headers),
        http.post(COMPLETIONS, json={"prompt": "a", "max_tokens": 1}, headers=headers),
        http.post(CHAT, json={}, headers=headers),
        http.get("/livez", headers=headers),
        http.get("/v1/models", headers=headers),
        http.get("/metrics", headers=headers),
        http.get("/schema.json", headers=headers),
        http.get("/nowhere", headers=headers),
        http.get(GENERATE, headers=headers),
    ]


@pytest.mark.parametrize("given", ["abc-123", "a", "A.b_c:d-9", "x" * 128])
def test_a_sane_request_id_comes_back_on_every_answer(backend_service: Service, given: str) -> None:
    for response in all_kinds_of_answers(backend_service, {"X-Request-Id": given}):
        assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "ü", "a/b", "<script>", 'a"b'])
def test_another_request_id_is_replaced(backend_service: Service, given: str) -> None:
    headers = [(b"x-request-id", given.encode())]
    response = backend_service.http.get("/livez", headers=headers)
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


def test_without_one_each_answer_gets_its_own_id(backend_service: Service) -> None:
    ids = [r.headers["x-request-id"] for r in all_kinds_of_answers(backend_service, {})]
    assert all(re.fullmatch(r"[0-9a-f]{32}", request_id) for request_id in ids)
    assert len(set(ids)) == len(ids)


def test_an_error_names_the_given_request_id(backend_service: Service) -> None:
    response = backend_service.http.get("/nowhere", headers={"x-request-id": "mine"})
    assert_error(response, 404, "not_found")
    assert response.json()["error"]["request_id"] == "mine"


def test_logs_have_request_ids_and_never_prompts_or_tracebacks(backend_service: Service) -> None:
    headers = {"x-request-id": "looked-up-in-the-log"}
    for path in PATHS:
        post(backend_service, path, MARKER, max_tokens=30)
        post(backend_service, path, MARKER, max_tokens=0)
        post(backend_service, path, MARKER, **{MARKER: MARKER})
        backend_service.http.post(path, content=f"{MARKER} no JSON")
    body = {"prompt": MARKER, "max_tokens": 1}
    assert backend_service.http.post(GENERATE, json=body, headers=headers).status_code == 200
    eventually(
        lambda: "looked-up-in-the-log" in backend_service.log_text(), DEADLINE, "the log's line"
    )
    assert MARKER not in backend_service.log_text()
    assert "Traceback" not in backend_service.log_text()
