"""python -m benchmarks.known_server --port 8000 --ttft 0.2 …: answers of known timings."""

import argparse
import asyncio
from dataclasses import fields

import uvloop
from aiohttp import web

from benchmarks.known_server.behaviour import Behaviour, Ending
from benchmarks.known_server.server import KnownServer
from common.command_line import Parser


async def serve(behaviour: Behaviour, port: int) -> None:
    """Prints the address when the server answers, and serves until it is cancelled."""
    runner = web.AppRunner(KnownServer(behaviour).app(), access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
    await site.start()
    address = runner.addresses[0]
    print(f"http://{address[0]}:{address[1]}", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main() -> None:
    parser = Parser(prog="python -m benchmarks.known_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 is any that is free")
    for each in fields(Behaviour):
        name = f"--{each.name.replace('_', '-')}"
        if isinstance(each.default, bool):
            action = argparse.BooleanOptionalAction
            parser.add_argument(name, action=action, default=each.default)
        else:
            kind = Ending if isinstance(each.default, Ending) else type(each.default)
            parser.add_argument(name, type=kind, default=each.default)
    given = vars(parser.parse_args())
    port = given.pop("port")
    uvloop.run(serve(Behaviour(**given), port))


if __name__ == "__main__":
    main()
