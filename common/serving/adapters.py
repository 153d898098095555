"""The adapters that requests may choose now; they come and go while the service runs."""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from common.engine import Engine
from common.engine_settings import ADAPTER_NAME
from common.errors import InvalidValue, ModelNotFound, NotAllowed, StartError
from common.models.adapter_sources import adapter_check
from common.models.adapters import Adapter

logger = logging.getLogger("bentoml.llm.adapters")


class Adapters:
    """Those of the start, and those that clients load where `adapter_loading` allows it.

    One that is unloaded takes no new requests; the engine lets go of it after its last one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loaded = {adapter.name: adapter for adapter in engine.model.adapters}
        self._numbers = len(self._loaded)
        self._running: Counter[Adapter] = Counter()
        self._leaving: set[Adapter] = set()
        self._loading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._loaded)

    @property
    def in_engine(self) -> Collection[Adapter]:
        """Those that the engine has now, also for the last requests of one that is leaving."""
        return (*self._loaded.values(), *self._leaving)

    def get(self, name: str) -> Adapter | None:
        """Returns the adapter that new requests by this name get, None without one."""
        return self._loaded.get(name)

    @contextmanager
    def use(self, adapter: Adapter | None) -> Iterator[None]:
        """Keep an adapter in the engine meanwhile. Raises ModelNotFound if it has left."""
        if adapter is None:
            yield
            return
        if self._loaded.get(adapter.name) is not adapter:
            raise ModelNotFound(f"the adapter {adapter.name!r} has been unloaded", param="model")
        self._running[adapter] += 1
        try:
            yield
        finally:
            self._running[adapter] -= 1
            self._let_go(adapter)

    async def load(self, name: str, path: str) -> Adapter:
        """Returns the adapter once requests can have it. Raises NotAllowed, InvalidValue."""
        directory = self._allowed(path)
        async with self._loading:
            self._check_name(name)
            self._numbers += 1
            try:
                adapter = await asyncio.to_thread(self._open, name, directory, self._numbers)
            except StartError as error:
                raise InvalidValue(f"{name!r} is not loaded: {error}", param="lora_path") from None
            await self._engine.load_adapter(adapter)
            self._loaded[name] = adapter
        logger.info("adapter %s was loaded from %s", name, directory)
        return adapter

    def unload(self, name: str) -> None:
        """Take no more requests for an adapter. Raises NotAllowed, ModelNotFound."""
        self._allowed_directories()
        adapter = self._loaded.pop(name, None)
        if adapter is None:
            there = ", ".join(map(repr, self._loaded)) or "none"
            raise ModelNotFound(
                f"no adapter of that name is loaded; there are: {there}", param="lora_name"
            )
        self._leaving.add(adapter)
        self._let_go(adapter)
        logger.info("adapter %s was unloaded", name)

    def _open(self, name: str, directory: Path, number: int) -> Adapter:
        engine = self._engine
        check = adapter_check(engine.settings, engine.model, engine.adapter_gaps)
        return check.open(name, directory, number)

    def _allowed_directories(self) -> list[Path]:
        given = self._engine.settings.adapter_loading
        if not given:
            raise NotAllowed(
                "adapters stay as they are while this service runs; its setting adapter_loading "
                "names directories from which clients may load some"
            )
        return [Path(directory).expanduser().resolve() for directory in given]

    def _allowed(self, path: str) -> Path:
        """Returns the directory, links followed."""
        allowed = self._allowed_directories()
        # A path may hold a NUL, and links may lead in a circle.
        with suppress(ValueError, OSError, RuntimeError):
            resolved = Path(path).resolve()
            if any(resolved.is_relative_to(directory) for directory in allowed):
                return resolved
        raise InvalidValue(
            f"lora_path must be a directory in {' or '.join(map(str, allowed))}", param="lora_path"
        )

    def _check_name(self, name: str) -> None:
        model, slots = self._engine.model, self._engine.settings.adapter_slots
        if not ADAPTER_NAME.fullmatch(name) or name in ("default", model.served_name):
            raise InvalidValue(
                "lora_name must be letters, digits and . _ / - only, begin with a letter or digit, "
                "and not be the name of the model",
                param="lora_name",
            )
        if name in self._loaded:
            raise InvalidValue(f"{name!r} is loaded already; unload it first", param="lora_name")
        if len(self._loaded) + len(self._leaving) >= slots:
            raise InvalidValue(
                f"there is room for {slots} adapters, by the setting max_adapters, and all is "
                f"taken: {', '.join(self._loaded)}; unload one first",
                param="lora_name",
            )

    def _let_go(self, adapter: Adapter) -> None:
        """Let the engine let go of an adapter that is leaving, once nothing uses it."""
        if adapter not in self._leaving or self._running[adapter]:
            return
        del self._running[adapter]
        task = asyncio.create_task(self._unload(adapter))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _unload(self, adapter: Adapter) -> None:
        try:
            await self._engine.unload_adapter(adapter)
        except Exception:
            logger.exception("the engine did not let go of adapter %s", adapter.name)
        finally:
            self._leaving.discard(adapter)
