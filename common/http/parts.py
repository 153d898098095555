"""What the handlers of routes need, as much of it as is there."""

from functools import partial
from pathlib import Path

from common.batches.batches import Batches
from common.batches.store import Store
from common.errors import InternalError, NotFound
from common.http.batches.own_client import own_client
from common.http.bodies import Bodies
from common.http.exchange import ASGIApp
from common.http.pages import Pages
from common.http.runtime import Runtime
from common.serving.lifecycle import Lifecycle
from common.settings import Settings


class Parts:
    """`runtime` is set once the model is known, before the engine starts. `bentoml` is BentoML's
    own application, for its pages.
    """

    def __init__(self, settings: Settings, lifecycle: Lifecycle, pages: Pages) -> None:
        self.settings = settings
        self.runtime: Runtime | None = None
        self.batches: Batches | None = None
        self.bentoml: ASGIApp | None = None
        self._lifecycle = lifecycle
        self._pages = pages

    def open_batches(self, app: ASGIApp) -> Batches | None:
        """Go on with the batches on disk, where they are on; `app` answers their lines.

        Returns them. Raises StartError.
        """
        if self.settings.batch_dir is not None:
            store = Store(Path(self.settings.batch_dir))
            self.batches = Batches(store, self.settings, partial(own_client, app))
            self.batches.start()
        return self.batches

    def lifecycle(self) -> Lifecycle:
        """Returns the state of the service, at any time."""
        return self._lifecycle

    def known_runtime(self) -> Runtime:
        """Returns the runtime, whose engine may still be starting. Raises NotReady before."""
        if self.runtime is None:
            self._lifecycle.check()
            raise InternalError("ready without a model")
        return self.runtime

    def ready_runtime(self) -> Runtime:
        """Returns the runtime once its engine has started. Raises NotReady before."""
        if not self._lifecycle.ready:
            self._lifecycle.check()
        return self.known_runtime()

    def known_batches(self) -> Batches:
        """Returns the batches. Raises NotFound where they are off, NotReady before the start."""
        if self.settings.batch_dir is None:
            raise NotFound("files and batches are off: the setting batch_dir names no directory")
        if self.batches is None:
            self._lifecycle.check()
            raise InternalError("ready without its batches")
        return self.batches

    def batches_and_bodies(self) -> tuple[Batches, Bodies]:
        """Returns the batches, and what reads the body that makes one. Raises as they do."""
        return self.known_batches(), self.known_runtime().bodies

    def own_pages(self) -> Pages:
        """Returns what the pages show, at any time."""
        return self._pages

    def bentoml_pages(self) -> ASGIApp:
        """Returns the application that answers for BentoML's own pages, at any time."""
        assert self.bentoml is not None
        return self.bentoml
