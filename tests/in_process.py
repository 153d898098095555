"""The whole application over an echo, in the process of the test."""

from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from prometheus_client import CollectorRegistry

from common.engine import OPTIONAL
from common.http.app import App
from common.http.runtime import Runtime, build_runtime
from common.images.opening import open_vision
from common.models.model import open_model
from common.plan import at_start
from common.serving.generations import Generations
from common.serving.lifecycle import Lifecycle
from common.serving.metrics import Metrics
from common.settings import Settings
from common.text.chat import open_chat
from services.echo import EchoEngine


class AbleEcho(EchoEngine):
    """Takes what an echo has no use for."""

    unsupported = {}
    optional = tuple(OPTIONAL)


async def echo_runtime(
    folder: Path, *, engine: type[EchoEngine] = AbleEcho, **settings: Any
) -> tuple[Runtime, httpx.AsyncClient]:
    """Returns what serves the model in `folder`, as planned, and a client of its application."""
    app = await echo_app(folder, engine=engine, **settings)
    transport = httpx.ASGITransport(app)
    return app.known_runtime(), httpx.AsyncClient(transport=transport, base_url="http://echo")


async def echo_app(folder: Path, *, engine: type[EchoEngine] = AbleEcho, **settings: Any) -> App:
    """Returns the application over an echo that has started.

    The series of its metrics are its own: a process has those of one service only.
    """
    asked = Settings(**settings)
    chosen, model = at_start.apply(engine, asked, open_model(asked, folder))
    chat = open_chat(chosen, model)
    echo, lifecycle = engine(chosen, chat.model), Lifecycle(chosen)
    app = App(chosen, lifecycle)
    with patch("common.http.runtime.Metrics", partial(Metrics, registry=CollectorRegistry())):
        vision = open_vision(echo, chat.template)
        runtime = build_runtime(chosen, chat, echo, lifecycle, Generations(), vision)
    await lifecycle.start(echo)
    runtime.metrics.add_accounts(app.keys)
    app.runtime = runtime
    return app
