"""The whole application over an echo, in the process of the test."""

from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from prometheus_client import CollectorRegistry

from common.http.app import App
from common.http.runtime import Runtime, build_runtime
from common.models.model import open_model
from common.plan import at_start
from common.serving.generations import Generations
from common.serving.lifecycle import Lifecycle
from common.serving.metrics import Metrics
from common.settings import Settings
from services.echo import EchoEngine


class AbleEcho(EchoEngine):
    """Takes the fields that an echo has no use for."""

    unsupported = {}


async def echo_runtime(folder: Path, **settings: Any) -> tuple[Runtime, httpx.AsyncClient]:
    """Returns what serves the model in `folder`, as planned, and a client of its application.

    The series of its metrics are its own: a process has those of one service only.
    """
    asked = Settings(**settings)
    chosen, model = at_start.apply(AbleEcho, asked, open_model(asked, folder))
    engine, lifecycle = AbleEcho(chosen, model), Lifecycle(chosen.probe_interval)
    app = App(chosen, lifecycle)
    with patch("common.http.runtime.Metrics", partial(Metrics, registry=CollectorRegistry())):
        runtime = build_runtime(chosen, model, engine, lifecycle, Generations())
    await lifecycle.start(engine)
    app.runtime = runtime
    transport = httpx.ASGITransport(app)
    return runtime, httpx.AsyncClient(transport=transport, base_url="http://echo")
