"""Whether a service takes images, and what reads them if it does."""

import logging
from typing import TYPE_CHECKING, NamedTuple, Optional

from common.engine import Engine
from common.messages import one_line
from common.text.chat_template import ChatTemplate
from common.text.prompts import NO_TEMPLATE

if TYPE_CHECKING:
    from common.images.reader import ImageReader

IMAGES = "images"
"""The capability, and the gap of an engine without it."""
TEXT_MODEL = "the model takes text only"
NO_PLACE = "the model's chat template shows no images"
QUESTION = ({"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Hello"}]},)

logger = logging.getLogger("bentoml.llm.images")


class Vision(NamedTuple):
    """What reads images, or the reason why nothing does."""

    reader: Optional["ImageReader"] = None
    gap: str = TEXT_MODEL


NO_VISION = Vision()


def open_vision(engine: Engine, template: ChatTemplate | None) -> Vision:
    """Returns what reads the images of the engine's model, by the processor in its directory."""
    gaps = engine.all_gaps()
    if IMAGES in gaps:
        return Vision(gap=gaps[IMAGES])
    if "vision_config" not in engine.model.config.values:
        return NO_VISION
    if template is None:
        return Vision(gap=NO_TEMPLATE)
    settings = engine.settings
    try:
        # Only a model with vision needs Pillow and transformers.
        from common.images.processor import ImageProcessor
        from common.images.reader import ImageReader

        processor = ImageProcessor(engine.model.path, trust_remote_code=settings.trust_remote_code)
    except Exception as error:
        reason = f"the model's processor cannot be used: {one_line(error)}"
        logger.warning("images are refused: %s", reason)
        return Vision(gap=reason)
    text = template.attempt(QUESTION, {})
    if text is None or processor.placeholder not in text:
        return Vision(gap=NO_PLACE)
    return Vision(ImageReader(settings, processor))
