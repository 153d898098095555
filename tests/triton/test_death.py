"""A tritonserver that dies under load: every stream ends at once, and it comes back."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.contract.support import GENERATE, Body, body_for
from tests.limits import AT_ONCE
from tests.service_process import Service, eventually
from tests.triton.support import EndedStream, Watchers, alive, below, server_of, triton

RESTART_SECONDS = 30.0


def assert_ended_at_once(streams: list[EndedStream], since: float) -> None:
    for each in streams:
        assert each.last["error"]["code"] == "engine_dead", each.last
        assert each.at - since < AT_ONCE


async def test_all_who_wait_are_told_within_a_second_and_the_server_comes_back(
    tmp_path: Path,
) -> None:
    with triton(tmpdir=tmp_path) as service:
        watchers = await Watchers(service).begin()
        family = [*below(service.process.pid)]
        died = time.monotonic()
        ports = ports_of(service)
        server_of(service).kill()
        streams = await asyncio.gather(*watchers)
        not_ready, living = service.http.get("/readyz"), service.http.get("/livez")
        refused = service.http.post(GENERATE, json=body_for(GENERATE, "Hello"))
        assert_ended_at_once(streams, died)
        assert not_ready.status_code == refused.status_code == 503
        assert "tritonserver has died and is being started again" in not_ready.text
        assert living.status_code == 200
        assert "being started again" in living.json()["reason"]
        eventually(service.is_ready, RESTART_SECONDS, "the server is back")
        assert service.http.post(GENERATE, json=body_for(GENERATE, "Hello")).status_code == 200
        assert len(ports) == 2
        assert ports.isdisjoint(ports_of(service)), "someone may have taken them meanwhile"
        family += below(service.process.pid)
    assert not [process for process in family if alive(process)]
    assert not list(tmp_path.glob("llm-triton-*"))


def ports_of(service: Service) -> set[str]:
    """Flags with the ports of the server that the service started."""
    return {flag for flag in server_of(service).cmdline() if "-port=" in flag}


def test_the_files_of_a_killed_worker_do_not_stay(tmp_path: Path) -> None:
    with triton(tmpdir=tmp_path) as service:
        left = [*tmp_path.glob("llm-triton-*")]
        assert len(left) == 1
        service.worker().kill()
        eventually(lambda: not left[0].exists(), RESTART_SECONDS, "the next worker removes them")
        eventually(service.is_ready, RESTART_SECONDS, "it is back")
    assert not list(tmp_path.glob("llm-triton-*"))


def test_an_engine_that_dies_again_and_again_is_given_up() -> None:
    service = triton(double_die_after=8)
    try:

        def dead() -> bool:
            if service.is_ready():
                answer = service.http.post("/v1/completions", json={"prompt": "One", "n": 4})
                assert answer.status_code == 503
            return service.http.get("/livez").status_code == 503

        eventually(dead, 2 * RESTART_SECONDS, "the service is dead")
        assert service.http.get("/readyz").json()["error"]["code"] == "engine_dead"
    finally:
        service.stop()


async def test_a_client_that_leaves_frees_its_place_in_the_engine(service: Service) -> None:
    watchers = await Watchers(service).begin()
    assert usage(service) > 0
    for watcher in watchers:
        watcher.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)
    eventually(lambda: usage(service) == 0, AT_ONCE, "the engine has nothing to do")


def usage(service: Service) -> float:
    """How full the engine says that its KV cache is; ours is what it said the last time."""
    name = "nv_trt_llm_kv_cache_block_metrics{"
    lines = service.http.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])


def test_the_engines_page_of_metrics_follows_ours(service: Service) -> None:
    usage(service)
    text = service.http.get("/metrics").text
    ours, theirs = text.index("gen_ai_server_"), text.index("nv_inference_request_success")
    assert ours < theirs
    assert "gen_ai_server_kv_cache_usage_ratio{" in text


@pytest.mark.parametrize(
    "fields",
    [{"min_tokens": 12}, {"logit_bias": {"5": -100}}, {"temperature": 1, "logprobs": 0}],
    ids=lambda fields: "-".join(fields),
)
def test_fields_of_every_kind_at_once(service: Service, fields: Body) -> None:
    """Ends, bans, biases, seeds and log-probabilities do not get in each other's way."""
    body = {"prompt": "One, two,", "max_tokens": 20, "temperature": 1.5, "seed": 3}
    body |= {"stop_token_ids": [7, 9], **fields}
    first, second = (service.http.post("/v1/completions", json=body).json() for _ in range(2))
    assert first["choices"] == second["choices"]
    tokens = first["usage"]["completion_tokens"]
    assert fields.get("min_tokens", 1) <= tokens <= 20
    logprobs = first["choices"][0]["logprobs"]
    assert (None if logprobs is None else len(logprobs["tokens"])) == (
        tokens if "logprobs" in fields else None
    )
