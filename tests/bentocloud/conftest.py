"""Stand-ins of BentoCloud, and a store with a bento of Echo."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.bentocloud.person import Person
from tests.doubles.bentocloud.cloud import BentoCloud, Trouble
from tests.doubles.bentocloud.server import serving

CloudFactory = Callable[..., BentoCloud]


@pytest.fixture
def start_cloud() -> Iterator[CloudFactory]:
    with ExitStack() as stack:

        def start(trouble: Trouble = "") -> BentoCloud:
            return stack.enter_context(serving(BentoCloud(trouble)))

        yield start


@pytest.fixture
def cloud(start_cloud: CloudFactory) -> BentoCloud:
    return start_cloud()


@pytest.fixture(scope="session")
def echo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds one bento, of Echo; the tests only read it."""
    person = Person(tmp_path_factory.mktemp("home"))
    person.run("scripts/bento", "echo")
    return person.home


@pytest.fixture
def tag(echo_home: Path) -> str:
    (tag,) = Person(echo_home).bentos()
    return tag
