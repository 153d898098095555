"""Lines of batches are requests of their owner, and wait where others would be refused."""

import asyncio
from pathlib import Path

import httpx

from common.http.batches.own_client import own_client
from common.models.model import DEMO_MODEL
from tests.in_process import echo_app

HELLO = {"prompt": "Hello", "max_tokens": 3, "ignore_eos": True}
COMPLETIONS = "/v1/completions"


async def test_a_line_counts_for_its_owner_and_needs_one(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text('[alice]\nkey = "a"\nrequests_per_minute = 1\n')
    app = await echo_app(DEMO_MODEL, api_keys_file=str(tmp_path / "keys.toml"))
    statuses = {}
    for owner in ("alice", "gone", None):
        async with own_client(app, owner) as client:
            statuses[owner] = (await client.post(COMPLETIONS, json=HELLO)).status_code
    assert statuses == {"alice": 200, "gone": 401, None: 401}
    alice = app.keys.accounts["alice"]
    assert (alice.accepted, alice.generated_tokens) == (1, 3)
    async with own_client(app, "alice") as client:
        assert (await client.post(COMPLETIONS, json=HELLO)).status_code == 429


async def test_a_line_waits_where_others_are_refused(tmp_path: Path) -> None:
    app = await echo_app(DEMO_MODEL, max_concurrency=1, max_queue=0)
    transport = httpx.ASGITransport(app)
    admission = app.known_runtime().pipeline.admission
    async with (
        own_client(app, None) as lines,
        httpx.AsyncClient(transport=transport, base_url="http://echo") as others,
    ):
        async with admission.slot(admission.admit("", 1)):
            waiting = asyncio.create_task(lines.post(COMPLETIONS, json=HELLO))
            assert (await others.post(COMPLETIONS, json=HELLO)).status_code == 429
            assert not waiting.done()
        assert (await waiting).status_code == 200
