"""A service with batches and two named keys, and OpenAI's client of each."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.conftest import EchoFactory
from tests.contract.batch_client import MAX_BYTES, client_of
from tests.service_process import Service

KEYS = "\n".join(f'[{name}]\nkey = "{name}-key"' for name in ("alice", "bob"))


@pytest.fixture(scope="session")
def batch_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("batches")
    (made / "keys.toml").write_text(KEYS, "utf-8")
    return made


@pytest.fixture
def batch_service(echo_service: EchoFactory, batch_folder: Path) -> Service:
    return echo_service(
        api_keys_file=str(batch_folder / "keys.toml"),
        batch_dir=str(batch_folder / "kept"),
        max_batch_bytes=MAX_BYTES,
        max_concurrency=2,
        engine_args={"itl": 0.002},
    )


@pytest.fixture
def alice(batch_service: Service) -> Iterator[openai.OpenAI]:
    with client_of(batch_service, "alice") as client:
        yield client


@pytest.fixture
def bob(batch_service: Service) -> Iterator[openai.OpenAI]:
    with client_of(batch_service, "bob") as client:
        yield client
