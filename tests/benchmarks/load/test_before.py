"""What the client does before a run, and what it shows meanwhile."""

import io

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from benchmarks.load.before import NotReady, reset_cache
from benchmarks.load.glance import Glance
from benchmarks.load.options import WrongOption, parsed
from benchmarks.load.progress import shown
from benchmarks.load.spec import Spec


def spec(url: str = "http://host", **values: object) -> Spec:
    return Spec.model_validate({"url": url, "users": 2, "duration": 10, "window": 5} | values)


async def test_the_endpoint_is_told_to_forget() -> None:
    told: list[str] = []

    async def flush(request: web.Request) -> web.Response:
        told.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_post("/flush_cache", flush)
    async with TestServer(app) as server:
        url = str(server.make_url("/")).rstrip("/")
        await reset_cache(spec(url), "/flush_cache")
        assert told == ["/flush_cache"]
        with pytest.raises(NotReady, match="/reset: 404; vLLM's is /reset_prefix_cache"):
            await reset_cache(spec(url), "reset")


@pytest.mark.parametrize("option", ["--ray=local", "--reset-cache=/flush_cache"])
def test_what_aiperf_does_not_do_is_refused(option: str) -> None:
    with pytest.raises(WrongOption, match="has no effect with --engine aiperf"):
        parsed(["http://host", "--engine=aiperf", option])


def glance(chunks: int, bad: int = 0) -> Glance:
    return Glance(window=0, flying=1, chunks=chunks, well=3, bad=bad)


def test_a_window_is_shown_when_every_process_has_told_of_it() -> None:
    console = Console(file=io.StringIO(), width=200)
    with shown(spec(procs=2), console) as told:
        told(glance(40))
        assert lines(console) == []
        told(glance(60, bad=1))
    assert lines(console) == [
        "   5.0 s of 10: 2 in flight, 20 chunks/s, 6 answered, 1 failed",
    ]


def test_a_terminal_shows_a_bar_with_the_time_left() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with shown(spec(), console) as told:
        told(glance(50))
    assert "1 in flight, 10 chunks/s, 3 answered" in "\n".join(lines(console))


def lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()
