"""Why nothing can be said of a model."""

from common.errors import StartError


class NotUnderstood(StartError):
    """The tensors or the cache of this kind of model cannot be counted by this code.

    It is no fault of the model: an engine may well know it.
    """
