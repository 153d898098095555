"""Concurrent requests do not wait for each other."""

import asyncio

import httpx

from tests.contract.support import GENERATE, body_for
from tests.service_process import Service

STREAMS = 8
USERS = 50
TOKENS = 400
"""Their generation takes far longer than eight requests need to arrive."""


async def test_eight_at_once_are_generated_side_by_side(backend_service: Service) -> None:
    """What it gains is measured in benchmarks: other tests may take the processors meanwhile."""
    ended: list[int] = []
    body = body_for(GENERATE, "Tell me a story.", max_tokens=TOKENS, ignore_eos=True)

    async def ended_before_it_began(client: httpx.AsyncClient, number: int) -> int:
        async with client.stream("POST", GENERATE, json=body) as response:
            pieces = response.aiter_text()
            assert await anext(pieces)
            before = len(ended)
            assert "".join([piece async for piece in pieces])
        ended.append(number)
        return before

    async with httpx.AsyncClient(base_url=backend_service.url, timeout=120) as client:
        streams = (ended_before_it_began(client, number) for number in range(STREAMS))
        assert await asyncio.gather(*streams) == [0] * STREAMS
    assert sorted(ended) == [*range(STREAMS)]


async def test_fifty_users_are_served_and_one_who_leaves_disturbs_nobody(
    backend_service: Service,
) -> None:
    body = body_for(GENERATE, "Tell me a story.", max_tokens=60, ignore_eos=True, temperature=0)
    async with httpx.AsyncClient(
        base_url=backend_service.url, timeout=120, limits=httpx.Limits(max_connections=None)
    ) as client:
        users = [asyncio.create_task(client.post(GENERATE, json=body)) for _ in range(USERS)]
        async with client.stream("POST", GENERATE, json=body | {"max_tokens": 2000}) as leaving:
            await anext(leaving.aiter_bytes())
        replies = await asyncio.gather(*users)
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.text for reply in replies}) == 1
