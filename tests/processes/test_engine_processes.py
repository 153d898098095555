"""Engines' own processes: they end with the service, and its clients learn of their death."""

import asyncio
import os
import re
import signal
from collections.abc import Iterator

import httpx
import pytest

from services._vllm.arguments import NO_DRAFTS
from tests.answers.conftest import questions
from tests.answers.test_demo_answers import ask_all
from tests.contract.support import CHAT, assert_error, post
from tests.limits import AT_ONCE, DEADLINE
from tests.processes.test_stop import SECONDS_TO_VANISH, assert_gone, family, stream
from tests.service_process import Service, eventually, start_service

LONG = 2000
"""Tokens of an answer that still runs when a busy client has signalled and asked twice."""


@pytest.mark.parametrize("backend_service", ["sglang", "vllm"], indirect=True)
async def test_streams_survive_the_stop_signal_and_an_engine_s_processes_do_not(
    backend_service: Service,
) -> None:
    """The contract's service, which ends here. SGLang would take the signal for itself at its first
    request."""
    service, before = backend_service, len(backend_service.log_text())
    worker = service.worker()
    old = [worker, *worker.children(recursive=True)]
    assert len(old) > 2
    worker.kill()
    assert_gone(old)
    service.wait_ready()

    everything = family(service)
    started = asyncio.Event()
    running = asyncio.create_task(stream(service, started, max_tokens=LONG))
    await started.wait()
    os.killpg(service.process.pid, signal.SIGTERM)
    async with httpx.AsyncClient(base_url=service.url) as client:
        while (await client.get("/readyz")).status_code == 200:
            pass
        late = await client.post("/generate", json={"prompt": "late"})
    assert late.json()["error"]["code"] == "draining"
    assert len(await running) > 100
    assert service.process.wait(SECONDS_TO_VANISH) == 0
    assert_gone(everything)
    assert "Traceback" not in service.log_text()[before:]


async def test_a_model_in_two_stages_answers_as_in_one() -> None:
    with start_service("vllm", pipeline_parallel_size=2) as service:
        processes = [each.name() for each in service.worker().children(recursive=True)]
        assert [name[-3:] for name in processes if "Worker" in name] == ["PP0", "PP1"]
        known = questions()
        answers = await ask_all(service, (None,), step=16)
    assert not {i: text for (_, i), text in answers.items() if text != known[i]["answer"]}


@pytest.fixture(scope="module")
def copies() -> Iterator[Service]:
    """vLLM with two copies of the model, for each of which n-grams draft tokens."""
    lookup = {"speculative_config": {"prompt_lookup_min": 2, "prompt_lookup_max": 4}}
    with start_service(
        "vllm", data_parallel_size=2, speculative="ngram:4", engine_args=lookup
    ) as service:
        yield service


def series(service: Service, name: str) -> dict[str, float]:
    """Returns the values of one of vLLM's series, by the copy that it is of."""
    page = service.http.get("/metrics").text
    found = re.findall(rf'^{name}{{[^}}]*engine="(\d)"[^}}]*}} (\S+)$', page, re.MULTILINE)
    values: dict[str, float] = {}
    for copy, value in found:
        values[copy] = values.get(copy, 0) + float(value)
    return values


async def test_copies_with_drafted_tokens_answer_as_one_without_does(copies: Service) -> None:
    known = questions()
    answers = await ask_all(copies, (None,), step=16)
    assert not {i: text for (_, i), text in answers.items() if text != known[i]["answer"]}
    assert set(series(copies, "vllm:request_success_total")) == {"0", "1"}
    assert all(series(copies, "vllm:request_success_total").values())
    assert sum(series(copies, "vllm:spec_decode_num_accepted_tokens_total").values()) > 0


@pytest.mark.parametrize(("field", "value"), [("min_p", 0.1), ("logit_bias", {"5": 1})])
def test_fields_that_vllm_lacks_beside_drafts_are_refused(
    copies: Service, field: str, value: object
) -> None:
    message = assert_error(
        post(copies, CHAT, **{field: value}), 400, "unsupported_parameter", field
    )
    assert NO_DRAFTS in message


async def test_a_client_that_leaves_ends_its_answer_on_every_copy(copies: Service) -> None:
    started = [asyncio.Event() for _ in range(4)]
    running = [asyncio.create_task(stream(copies, each, max_tokens=4000)) for each in started]
    await asyncio.gather(*(each.wait() for each in started))
    assert len(series(copies, "vllm:num_requests_running")) == 2
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    eventually(
        lambda: sum(series(copies, "vllm:num_requests_running").values()) == 0,
        AT_ONCE,
        "no copy goes on with an answer",
    )


async def test_a_dead_copy_is_told_to_waiting_clients_and_by_the_health_routes(
    copies: Service,
) -> None:
    """The service of the tests before, which ends here."""
    everything = family(copies)
    started = asyncio.Event()
    running = asyncio.create_task(stream(copies, started, max_tokens=4000))
    await started.wait()
    cores = [each for each in copies.worker().children() if "EngineCore" in str(each.cmdline())]
    assert len(cores) == 2
    cores[0].kill()
    with pytest.raises(httpx.RemoteProtocolError):
        await asyncio.wait_for(running, DEADLINE)
    for path in ("/livez", "/readyz"):
        response = copies.http.get(path)
        assert (response.status_code, response.json()["error"]["code"]) == (503, "engine_dead")
    assert re.search("the engine is dead: .*, signal SIGKILL", copies.log_text())
    copies.process.send_signal(signal.SIGINT)
    copies.process.wait(SECONDS_TO_VANISH)
    assert_gone(everything)
