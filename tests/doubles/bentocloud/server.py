"""Runs the stand-in on a port of its own, in a thread of the test."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tests.doubles.bentocloud.app import application
from tests.doubles.bentocloud.cloud import BentoCloud
from tests.service_process import eventually


@contextmanager
def serving(cloud: BentoCloud) -> Iterator[BentoCloud]:
    """It has its address in `url` from here on."""
    listener = socket.create_server(("127.0.0.1", 0))
    cloud.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(application(cloud), log_level="warning", ws="wsproto", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        eventually(lambda: server.started, 30, "the stand-in listens")
        yield cloud
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
