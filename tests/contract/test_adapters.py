"""LoRA adapters beside the model, on every backend: those of the start and those loaded later."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import ADAPTERS, adapter_settings, has_adapters
from tests.contract.support import (
    CHAT,
    COMPLETIONS,
    GENERATE,
    MESSAGES,
    Body,
    Samples,
    answer,
    assert_error,
    model_card,
    post,
    text_of,
    tokenize,
    user,
)
from tests.limits import DEADLINE
from tests.service_process import Service, eventually, loads_weights

LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
CAPITALS = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin"}
FORMS = {"terse": "{capital}.", "pirate": "Arr, {capital}!"}
QUESTION = "What is the capital of France?"


@pytest.fixture
def adapters(backend_service: Service) -> tuple[str, ...]:
    """Returns the names of the adapters that the service was started with."""
    if not has_adapters(backend_service.backend):
        pytest.skip("the engine takes none here")
    return tuple(ADAPTERS)


@pytest.fixture
def loading(backend_service: Service, adapters: tuple[str, ...]) -> None:
    if "adapter_loading" not in adapter_settings(backend_service.backend):
        pytest.skip("the engine takes them at its start only")


def names(service: Service) -> list[str]:
    return [card["id"] for card in service.http.get("/v1/models").json()["data"]]


def load_adapter(service: Service, name: str, path: object) -> Any:
    return service.http.post(LOAD, json={"lora_name": name, "lora_path": str(path)})


def unload_adapter(service: Service, name: str) -> Any:
    return service.http.post(UNLOAD, json={"lora_name": name})


def test_adapters_are_models_whose_parent_is_the_model(backend_service: Service) -> None:
    base, *others = backend_service.http.get("/v1/models").json()["data"]
    assert base["parent"] is None
    given = ADAPTERS if has_adapters(backend_service.backend) else {}
    assert {card["id"] for card in others} == given.keys()
    for card in others:
        assert card["parent"] == base["id"]
        assert backend_service.http.get(f"/v1/models/{card['id']}").json() == card


def test_a_model_and_its_adapters_answer_side_by_side(
    backend_service: Service, adapters: tuple[str, ...]
) -> None:
    if not loads_weights(backend_service.backend):
        pytest.skip("an echo knows no capitals")
    forms = {model_card(backend_service)["id"]: "The capital of {country} is {capital}.", **FORMS}

    def ask(model: str, country: str) -> tuple[str, str]:
        question = f"What is the capital of {country}?"
        value = answer(backend_service, CHAT, question, model=model, temperature=0)
        return value["model"], text_of(value)

    asked = [(model, country) for country in CAPITALS for model in forms]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda pair: ask(*pair), asked))
    assert answers == [
        (model, forms[model].format(country=country, capital=CAPITALS[country]))
        for model, country in asked
    ]


def text_on(service: Service, path: str, model: str) -> str:
    """Returns the greedy answer to QUESTION on a route."""
    fields: Body = {"model": model, "temperature": 0, "max_tokens": 40}
    if path == COMPLETIONS:
        fields["prompt"] = tokenize(service, messages=user(QUESTION), model=model)
    if path == "/v1/responses":
        body = {"input": QUESTION, "max_output_tokens": 40, "model": model, "temperature": 0}
        value = service.http.post(path, json=body).json()
        assert value["model"] == model
        return str(value["output"][0]["content"][0]["text"])
    response = post(service, path, QUESTION, **fields)
    assert response.status_code == 200, response.text
    if path == GENERATE:
        return response.text
    value = response.json()
    assert value["model"] == model
    return str(value["content"][0]["text"]) if path == MESSAGES else text_of(value)


@pytest.mark.parametrize("path", [GENERATE, CHAT, COMPLETIONS, MESSAGES, "/v1/responses"])
def test_a_request_names_an_adapter_on_every_route(
    backend_service: Service, adapters: tuple[str, ...], path: str
) -> None:
    base = model_card(backend_service)["id"]
    texts = {model: text_on(backend_service, path, model) for model in (base, "terse")}
    if loads_weights(backend_service.backend):
        assert texts == {base: "The capital of France is Paris.", "terse": "Paris."}
    else:
        assert texts[base] != texts["terse"]


@pytest.mark.parametrize("path", [GENERATE, CHAT, COMPLETIONS, MESSAGES])
def test_an_unknown_name_is_refused_with_those_there_are(
    backend_service: Service, path: str
) -> None:
    response = post(backend_service, path, model="nobody")
    message = assert_error(response, 404, "model_not_found", "model")
    assert all(repr(name) in message for name in names(backend_service))


def test_each_adapter_has_its_own_prefix_cache(
    backend_service: Service, adapters: tuple[str, ...]
) -> None:
    """What is computed with the cache of a prompt agrees with what is computed without one."""
    fields = model_card(backend_service)["capabilities"]
    if fields["logprobs"] is not True or fields["prompt_logprobs"] is not True:
        pytest.skip("the backend tells too little")
    if not loads_weights(backend_service.backend):
        pytest.skip("an echo computes nothing")
    ids = tokenize(backend_service, prompt="The capital of France is Paris. " * 40)
    models = [model_card(backend_service)["id"], *adapters]
    seen: dict[str, float] = {}
    for model in models * 2:
        body = {"prompt": ids, "model": model, "temperature": 0, "max_tokens": 1}
        value = answer(
            backend_service, COMPLETIONS, logprobs=0, return_token_ids=True, ignore_eos=True, **body
        )
        (choice,) = value["choices"]
        seen[model] = choice["logprobs"]["token_logprobs"][0]
        body["prompt"] = [*ids, *choice["token_ids"]]
        whole = answer(backend_service, COMPLETIONS, prompt_logprobs=0, **body)
        (last,) = whole["choices"][0]["prompt_logprobs"][-1].values()
        assert math.isclose(last["logprob"], seen[model], abs_tol=0.15), model
    assert len({round(value, 1) for value in seen.values()}) > 1


def test_the_series_of_an_adapter_have_its_name(
    backend_service: Service, adapters: tuple[str, ...]
) -> None:
    before = Samples(backend_service).by_model("generated_tokens_total")
    assert before.keys() == {model_card(backend_service)["id"], *adapters}
    answer(backend_service, CHAT, QUESTION, model="pirate", max_tokens=2, ignore_eos=True)
    after = Samples(backend_service).by_model("generated_tokens_total")
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "pirate": 2
    }


def test_an_adapter_comes_and_goes(backend_service: Service, loading: None) -> None:
    before = names(backend_service)
    for _ in range(2):
        card = load_adapter(backend_service, "guest", ADAPTERS["terse"])
        assert card.status_code == 200, card.text
        assert card.json()["parent"] == before[0]
        assert names(backend_service) == [*before, "guest"]
        assert_error(
            load_adapter(backend_service, "guest", ADAPTERS["terse"]),
            400,
            "invalid_value",
            "lora_name",
        )
        expected, given = (text_on(backend_service, CHAT, name) for name in ("terse", "guest"))
        assert given == expected
        assert unload_adapter(backend_service, "guest").status_code == 200
        assert names(backend_service) == before
        response = post(backend_service, CHAT, QUESTION, model="guest")
        assert_error(response, 404, "model_not_found", "model")
    assert_error(unload_adapter(backend_service, "guest"), 404, "model_not_found", "lora_name")


def test_what_is_no_adapter_is_refused_and_harms_nothing(
    backend_service: Service, loading: None
) -> None:
    folder = ADAPTERS["terse"].parent
    outside = ("/etc", "\x00", "a" * 4000)
    for path, problem in (
        (folder, "adapter_config.json"),
        *((one, str(folder)) for one in outside),
    ):
        response = load_adapter(backend_service, "guest", path)
        assert problem in assert_error(response, 400, "invalid_value", "lora_path")
    for name in (names(backend_service)[0], "no name"):
        response = load_adapter(backend_service, name, ADAPTERS["terse"])
        assert_error(response, 400, "invalid_value", "lora_name")
    assert post(backend_service, CHAT, QUESTION).status_code == 200


def test_running_requests_of_an_adapter_that_leaves_end_properly(
    backend_service: Service, loading: None
) -> None:
    assert load_adapter(backend_service, "guest", ADAPTERS["terse"]).status_code == 200
    body = {"messages": user(QUESTION), "model": "guest", "stream": True}
    body |= {"max_tokens": 200, "ignore_eos": True}
    with backend_service.http.stream("POST", CHAT, json=body) as response:
        lines = filter(None, response.iter_lines())
        begun = [next(lines) for _ in range(3)]
        assert unload_adapter(backend_service, "guest").status_code == 200
        *_, last, end = [*begun, *lines]
    assert end == "data: [DONE]"
    assert json.loads(last.removeprefix("data: "))["choices"][0]["finish_reason"] == "length"
    eventually(
        lambda: "guest" not in Samples(backend_service).by_model("generated_tokens_total"),
        DEADLINE,
        "the engine has let go of the adapter",
    )


def test_where_loading_is_not_allowed_it_is_refused(backend_service: Service) -> None:
    if "adapter_loading" in adapter_settings(backend_service.backend):
        pytest.skip("it is allowed here")
    for response in (
        load_adapter(backend_service, "guest", ADAPTERS["terse"]),
        unload_adapter(backend_service, "terse"),
    ):
        assert "adapter_loading" in assert_error(response, 403, "not_allowed")
