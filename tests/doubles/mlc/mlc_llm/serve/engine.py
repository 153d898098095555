"""The engine for asyncio."""

from typing import Literal

from .config import EngineConfig
from .engine_base import MLCEngineBase


class AsyncMLCEngine(MLCEngineBase):
    """Without its OpenAI-like calls, which give text."""

    def __init__(
        self,
        model: str,
        device: str = "auto",
        *,
        model_lib: str | None = None,
        mode: Literal["local", "interactive", "server"] = "local",
        engine_config: EngineConfig | None = None,
        enable_tracing: bool = False,
    ) -> None:
        super().__init__("async", model, device, model_lib, mode, engine_config, enable_tracing)

    async def abort(self, request_id: str) -> None:
        """Who waits for the request in another task waits for ever."""
        self._abort(request_id)

    def _abort(self, request_id: str) -> None:
        self.state.async_streamers.pop(request_id, None)
        self._ffi["abort_request"](request_id)
