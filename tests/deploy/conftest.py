"""Stand-ins of BentoCloud, and people who use them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.support import BentoCloud, Person
from tests.doubles.bentocloud.server import serving

CloudFactory = Callable[..., BentoCloud]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudFactory]:
    """Start one; with `transmission` and `trouble` as BentoCloud's fields say."""
    with ExitStack() as stack:

        def start(**fields: Any) -> BentoCloud:
            folder = tmp_path / f"cloud-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(serving(BentoCloud(folder, **fields)))

        yield start


@pytest.fixture(scope="session")
def echo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds one bento, of Echo."""
    person = Person(tmp_path_factory.mktemp("home"))
    person.bentoml("build", "-f", "bentos/echo/bentofile.yaml")
    return person.home


@pytest.fixture
def bento(echo_home: Path) -> str:
    (tag,) = Person(echo_home).bentos()
    return tag
