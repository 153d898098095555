"""Log-probabilities of the prompt's tokens: `echo` with `logprobs`, and `prompt_logprobs`."""

import asyncio

import httpx
import pytest

from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    Body,
    answer,
    assert_error,
    events,
    model_card,
    post,
    tokenize,
    user,
)
from tests.limits import DEADLINE
from tests.service_process import Service, loads_weights

PROMPTS = ["The capital of Poland is", "Zoë counts: one, two, three,"]
ROUNDING = 0.06
"""Natural-log probability: 16-bit weights read token by token, and many at once."""


@pytest.fixture
def scoring_service(backend_service: Service) -> Service:
    """Returns a service that tells log-probabilities of prompts."""
    reason = model_card(backend_service)["capabilities"]["prompt_logprobs"]
    if reason is not True:
        pytest.skip(f"prompt_logprobs: {reason}")
    return backend_service


def echoed(service: Service, prompt: object, **fields: object) -> Body:
    """Returns a greedy completion of one token behind its scored prompt."""
    body = {"prompt": prompt, "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0}
    response = service.http.post(COMPLETIONS, json=body | {"ignore_eos": True} | fields)
    assert response.status_code == 200, response.text
    value: Body = response.json()
    return value


def test_echo_with_logprobs_is_refused_where_prompts_are_not_scored(
    backend_service: Service,
) -> None:
    capabilities = model_card(backend_service)["capabilities"]
    response = post(backend_service, COMPLETIONS, echo=True, logprobs=0, max_tokens=1)
    if capabilities["prompt_logprobs"] is True:
        assert response.status_code == 200, response.text
    else:
        # An engine without any log-probabilities says that first.
        param = "echo" if capabilities["logprobs"] is True else "logprobs"
        reason = capabilities["prompt_logprobs" if param == "echo" else "logprobs"]
        message = assert_error(response, 400, "unsupported_parameter", param)
        assert reason in message
        assert backend_service.backend in message


def test_an_echo_has_the_logprobs_of_prompt_and_answer(scoring_service: Service) -> None:
    (choice,) = echoed(scoring_service, PROMPTS[0], max_tokens=3)["choices"]
    logprobs = choice["logprobs"]
    ids = tokenize(scoring_service, prompt=PROMPTS[0])
    assert set(logprobs) == {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
    assert {len(entries) for entries in logprobs.values()} == {len(ids) + 3}
    assert logprobs["token_logprobs"][0] is None
    assert logprobs["top_logprobs"][0] is None
    assert all(-9999 <= value <= 1e-4 for value in logprobs["token_logprobs"][1:])
    assert all(len(top) == 1 for top in logprobs["top_logprobs"][1:])
    assert choice["text"].startswith(PROMPTS[0])
    shown = [token for token in logprobs["tokens"] if not token.startswith("<|")]
    assert "".join(shown) == choice["text"]
    for start, token in zip(logprobs["text_offset"], logprobs["tokens"], strict=True):
        assert token.startswith("<|") or choice["text"].startswith(token, start)


def test_a_prompt_is_as_likely_as_it_was_when_it_was_generated(scoring_service: Service) -> None:
    """What follows a prompt is put behind it as a part of the prompt."""
    service = scoring_service
    ids = tokenize(service, prompt=PROMPTS[0])
    body: Body = {"prompt": ids, "max_tokens": 8, "temperature": 0}
    body |= {"ignore_eos": True, "logprobs": 1, "return_token_ids": True}
    (generated,) = service.http.post(COMPLETIONS, json=body).json()["choices"]
    both = ids + generated["token_ids"]
    (read,) = echoed(service, both)["choices"]
    pairs = zip(
        generated["logprobs"]["token_logprobs"],
        read["logprobs"]["token_logprobs"][len(ids) : len(both)],
        strict=True,
    )
    assert all(abs(first - second) < ROUNDING for first, second in pairs)
    if loads_weights(service.backend):
        answers = read["logprobs"]["top_logprobs"][len(ids) : len(both)]
        assert [*map(list, answers)] == [[token] for token in generated["logprobs"]["tokens"]]


def test_each_prompt_of_a_request_is_scored_by_itself(scoring_service: Service) -> None:
    alone = [echoed(scoring_service, prompt)["choices"][0]["logprobs"] for prompt in PROMPTS]
    together = echoed(scoring_service, PROMPTS, n=2)["choices"]
    for index, choice in enumerate(together):
        own, logprobs = alone[index // 2], choice["logprobs"]
        assert logprobs["tokens"] == own["tokens"]
        assert logprobs["text_offset"] == own["text_offset"]
        for first, second in zip(logprobs["token_logprobs"], own["token_logprobs"], strict=True):
            assert first is second is None or abs(first - second) < ROUNDING


def test_a_stream_has_the_same_scores(scoring_service: Service) -> None:
    body = {"prompt": PROMPTS, "echo": True, "logprobs": 1, "max_tokens": 3, "temperature": 0}
    body |= {"ignore_eos": True}
    whole = scoring_service.http.post(COMPLETIONS, json=body).json()["choices"]
    chunks = events(scoring_service.http.post(COMPLETIONS, json=body | {"stream": True}))
    for index, expected in enumerate(whole):
        own = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == index]
        assert own[0]["text"] == PROMPTS[index]
        assert "".join(choice["text"] for choice in own) == expected["text"]
        for name in ("tokens", "text_offset"):
            joined = [entry for choice in own for entry in (choice["logprobs"] or {name: []})[name]]
            assert joined == expected["logprobs"][name]


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_prompt_logprobs_name_tokens_by_their_ids(scoring_service: Service, path: str) -> None:
    value = answer(scoring_service, path, PROMPTS[0], prompt_logprobs=2, max_tokens=1)
    prompt = {"messages": user(PROMPTS[0])} if path == CHAT else {"prompt": PROMPTS[0]}
    ids = tokenize(scoring_service, **prompt)
    first, *entries = (value if path == CHAT else value["choices"][0])["prompt_logprobs"]
    assert first is None
    assert len(entries) == len(ids) - 1
    for token_id, entry in zip(ids[1:], entries, strict=True):
        assert set(entry[str(token_id)]) >= {"logprob", "decoded_token"}
        ranked = [value["rank"] for value in entry.values() if "rank" in value]
        if loads_weights(scoring_service.backend):
            assert sorted(ranked) == [1, 2]


def test_prompt_logprobs_come_with_a_whole_answer_only(scoring_service: Service) -> None:
    response = post(scoring_service, CHAT, prompt_logprobs=1, stream=True)
    assert_error(response, 400, "unsupported_parameter", "prompt_logprobs")


async def test_prompts_are_scored_beside_answers_that_are_generated(
    scoring_service: Service,
) -> None:
    plain = {"prompt": PROMPTS[1], "max_tokens": 60, "ignore_eos": True, "temperature": 0}
    scored = {"prompt": PROMPTS[0], "max_tokens": 2, "prompt_logprobs": 1, "temperature": 0}
    async with httpx.AsyncClient(base_url=scoring_service.url, timeout=DEADLINE) as client:
        bodies = [plain, scored] * 12
        replies = await asyncio.gather(*(client.post(COMPLETIONS, json=body) for body in bodies))
    assert {reply.status_code for reply in replies} == {200}
    choices = [reply.json()["choices"][0] for reply in replies]
    assert len({choice["text"] for choice in choices[::2]}) == 1
    count = len(tokenize(scoring_service, prompt=PROMPTS[0]))
    assert {len(choice["prompt_logprobs"]) for choice in choices[1::2]} == {count}
