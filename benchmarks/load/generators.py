"""Load generators that make a run in place of this client, found by their names, so that this
package knows none of them."""

from importlib import import_module
from typing import Protocol, cast

from benchmarks.load.spec import Spec
from benchmarks.machine_metrics import Sampler
from benchmarks.prompts import PromptSet
from benchmarks.results.schema import Request, Result, Subject


class LoadGenerator(Protocol):
    """The module `run` of a package of benchmarks.load_generators."""

    def check_supported(self, spec: Spec, prompts: PromptSet) -> None:
        """Raises LoadFailed for what it would do otherwise than this client."""

    async def run(
        self,
        spec: Spec,
        prompts: PromptSet,
        subject: Subject,
        sampler: Sampler,
        *,
        price_per_hour: float | None = None,
    ) -> tuple[Result, list[Request]]:
        """Returns a result, and its requests; `sampler` has not begun. Raises LoadFailed."""


def load_generator(engine: str) -> LoadGenerator:
    return cast("LoadGenerator", import_module(f"benchmarks.load_generators.{engine}.run"))
