"""Every member is built once, when a test first asks for it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.gallery.members import MEMBERS

Built = Callable[[str], Path]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    home = tmp_path_factory.mktemp("gallery")

    @cache
    def build(name: str) -> Path:
        return MEMBERS[name].build(home / name.replace(" ", "-"))

    return build
