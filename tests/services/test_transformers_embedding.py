"""Transformers' vectors in this process: what waits together is computed together, and no more."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from common.errors import InternalError, StartError
from common.models.model import open_model
from common.settings import Settings
from tests.model_directories import embedding_model

pytest.importorskip("transformers")

from services._transformers.embedding import BATCH_TOKENS, Embedder

TEXTS: list[Sequence[int]] = [[5, 6, 7], [8], [9, 10]]


def opened(folder: Path, pooling: str = "mean_tokens", **settings: object) -> Embedder:
    embedding_model(folder, pooling)
    asked = Settings.model_validate(settings)
    return Embedder(asked, open_model(asked, folder))


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token", "lasttoken"])
async def test_padding_changes_no_vector(tmp_path: Path, pooling: str) -> None:
    embedder = opened(tmp_path, pooling)
    alone = [await embedder.embed(ids) for ids in TEXTS]
    together = await asyncio.gather(*map(embedder.embed, TEXTS))
    await embedder.close()
    for one, other in zip(alone, together, strict=True):
        assert one == pytest.approx(other, abs=0.05)


async def test_texts_that_wait_share_forward_passes_of_a_limited_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = opened(tmp_path)
    passes: list[int] = []

    def forward(texts: Sequence[Sequence[int]]) -> list[list[float]]:
        passes.append(len(texts))
        return [[float(len(ids))] for ids in texts]

    monkeypatch.setattr(embedder, "_forward", forward)
    half = [1] * (BATCH_TOKENS // 2)
    vectors = await asyncio.gather(*map(embedder.embed, [half, half, half, [1]]))
    await embedder.close()
    assert vectors == [[len(half)], [len(half)], [len(half)], [1]]
    assert passes == [2, 2]


async def test_a_text_that_nobody_waits_for_is_not_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = opened(tmp_path)
    computed: list[Sequence[int]] = []

    def forward(texts: Sequence[Sequence[int]]) -> list[list[float]]:
        computed.extend(texts)
        return [[0.0] for _ in texts]

    monkeypatch.setattr(embedder, "_forward", forward)
    left = asyncio.create_task(embedder.embed([1]))
    stays = asyncio.create_task(embedder.embed([2]))
    await asyncio.sleep(0)
    left.cancel()
    assert await stays == [0.0]
    await embedder.close()
    assert computed == [[2]]


async def test_a_failed_pass_is_an_error_of_its_texts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = opened(tmp_path)

    def forward(texts: Sequence[Sequence[int]]) -> list[list[float]]:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(embedder, "_forward", forward)
        with pytest.raises(InternalError, match="out of memory"):
            await embedder.embed([1])
    assert len(await embedder.embed([1])) == 256
    await embedder.close()


def test_a_setting_of_generation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="'kv_cache_gib' has no effect where Transformers embeds"):
        opened(tmp_path, kv_cache_gib=1)
