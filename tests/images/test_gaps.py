"""Why a service takes no images, though its engine could."""

import json
import shutil
from pathlib import Path

import pytest

from common.images.opening import NO_PLACE
from common.models.model import open_model
from common.settings import Settings
from services._transformers.families import image_gaps
from tests.contract.support import CHAT, assert_error
from tests.images.pictures import VISION_MODEL, about
from tests.in_process import echo_runtime


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the vision model, to be changed."""
    return Path(shutil.copytree(VISION_MODEL, tmp_path / "model"))


async def refusal(folder: Path) -> str:
    _, http = await echo_runtime(folder)
    async with http:
        response = await http.post(CHAT, json={"messages": about("red")})
    return assert_error(response, 400, "unsupported_parameter", "messages[0].content[0]")


async def test_a_template_that_shows_no_images(folder: Path) -> None:
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    assert NO_PLACE in await refusal(folder)


async def test_a_model_without_its_processor(folder: Path) -> None:
    (folder / "processor_config.json").unlink()
    assert "the model's processor cannot be used" in await refusal(folder)


def test_a_family_that_continuous_batching_cannot_show(folder: Path) -> None:
    def gaps() -> str:
        return image_gaps(open_model(Settings(), folder), beside_adapters=False).get("images", "")

    assert gaps() == ""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "qwen2_vl"}))
    assert "llava" in gaps()
