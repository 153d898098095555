"""Notifications for systemd from a service that it started with Type=notify (sd_notify(3)).

Nothing is sent without NOTIFY_SOCKET, which has the name of systemd's socket.
"""

import asyncio
import logging
import os
import socket
from contextlib import suppress

from common.errors import EngineDead
from common.serving.lifecycle import Lifecycle

INTERVAL = 1.0
"""Seconds between two signs of life; WatchdogSec= has to be several times that."""

logger = logging.getLogger("bentoml.llm.notify")


async def notify_systemd(lifecycle: Lifecycle) -> None:
    """Send the state of the service until cancelled; no sign of life once its engine is dead."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        connection.setblocking(False)
        try:
            connection.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            while True:
                status = "\n".join(await _status(lifecycle)).encode()
                with suppress(BlockingIOError):  # a full queue will be read
                    connection.send(status)
                await asyncio.sleep(INTERVAL)
        except OSError as error:
            logger.warning("systemd is not told any more: %s", error)


async def _status(lifecycle: Lifecycle) -> list[str]:
    try:
        await lifecycle.check_alive()
    except EngineDead as error:
        return [f"STATUS={error.message}"]
    if lifecycle.draining:
        return ["STATUS=finishing what runs", "STOPPING=1", "WATCHDOG=1"]
    phases = lifecycle.phases
    if lifecycle.watchdog.stalled:
        return ["STATUS=the engine has stalled", "WATCHDOG=1"]
    if lifecycle.ready:
        return [f"STATUS=serving; the start took {phases.total:.0f} s", "READY=1", "WATCHDOG=1"]
    return [f"STATUS=starting: {phases.current} for {phases.running:.0f} s", "WATCHDOG=1"]
