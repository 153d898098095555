"""Images: the demo model takes text only, and a backend says whether it or the model is why.

What backends do with a model that takes images is in tests/images.
"""

import pytest

from common.engine import OPTIONAL
from common.images.opening import IMAGES, TEXT_MODEL
from tests.contract.support import CHAT, MESSAGES, Body, assert_error, model_card
from tests.service_process import REPOSITORY, Service

PIXEL = "R0lGODlhAQABAAAAACwAAAAAAQABAAA="
DATA = f"data:image/gif;base64,{PIXEL}"
SOURCE = {"type": "base64", "media_type": "image/gif", "data": PIXEL}
BODIES: dict[str, tuple[str, Body]] = {
    CHAT: ("text", {"type": "image_url", "image_url": {"url": DATA}}),
    MESSAGES: ("text", {"type": "image", "source": SOURCE}),
    "/v1/responses": ("input_text", {"type": "input_image", "image_url": DATA}),
}


def hands_over_images(backend: str) -> bool:
    """Returns whether the adapter names images among what it honours."""
    source = (REPOSITORY / "services" / f"{backend}.py").read_text("utf-8")
    return f'"{IMAGES}"' in source.partition("optional = (")[2].partition(")")[0]


@pytest.mark.parametrize("path", BODIES)
def test_an_image_is_refused_by_its_place_with_the_reason(
    backend_service: Service, path: str
) -> None:
    kind, image = BODIES[path]
    content = [{"type": kind, "text": "What is it?"}, image]
    turns = [{"role": "user", "content": content}]
    field = "input" if path == "/v1/responses" else "messages"
    limit = {"max_tokens": 3} if field == "messages" else {}
    response = backend_service.http.post(path, json={field: turns, **limit})
    message = assert_error(response, 400, "unsupported_parameter", f"{field}[0].content[1]")
    reason = model_card(backend_service)["capabilities"][IMAGES]
    assert reason in message
    own = hands_over_images(backend_service.backend)
    assert reason == (TEXT_MODEL if own else OPTIONAL[IMAGES])
