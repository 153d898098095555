"""Which models take images in continuous batching; imports no engine."""

from collections.abc import Mapping

from common.models.model import Model

FAMILIES = frozenset(["llava"])
"""Types of models whose images are no more than rows in the place of tokens, a list of them for
each image. With positions of several dimensions, features for inner layers, or attention in both
directions inside an image, continuous batching would answer something else."""


def takes_images(model: Model) -> bool:
    """Returns whether the model is of one of these families."""
    return model.config.whole_type in FAMILIES


def image_gaps(model: Model, *, beside_adapters: bool) -> Mapping[str, str]:
    """Returns the gap of a model with vision that is of another family, or has adapters."""
    if "vision_config" not in model.config.values:
        return {}
    if takes_images(model):
        reason = "it reads images outside a batch, where it applies no adapter"
        return {"images": reason} if beside_adapters else {}
    reason = (
        "its continuous batching reads images of these types of models only: "
        f"{', '.join(sorted(FAMILIES))}"
    )
    return {"images": reason}
