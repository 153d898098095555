"""SGLang's processes end with the service, and clients learn of their death."""

import asyncio
import signal

import httpx
import psutil

from tests.limits import DEADLINE
from tests.processes.test_stop import SECONDS_TO_VANISH, assert_gone, family, stream
from tests.service_process import Service, start_service

LONG = 4000


def scheduler(service: Service) -> psutil.Process:
    (found,) = (
        child for child in service.worker().children() if "sglang::scheduler" in child.cmdline()[0]
    )
    return found


async def test_a_death_is_told_to_all_who_wait() -> None:
    with start_service("sglang", max_concurrency=2, queue_timeout=30) as service:
        everything = family(service)
        begun = [asyncio.Event() for _ in range(2)]
        waiting = [asyncio.create_task(stream(service, each, LONG)) for each in begun]
        for each in begun:
            await each.wait()
        scheduler(service).kill()
        errors = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), DEADLINE)
        assert [type(error) for error in errors] == [httpx.RemoteProtocolError] * 2
        for path in ("/livez", "/readyz"):
            response = service.http.get(path)
            assert (response.status_code, response.json()["error"]["code"]) == (503, "engine_dead")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(SECONDS_TO_VANISH) == 0
        assert_gone(everything)
