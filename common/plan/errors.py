"""Why there is no plan.

StartError
└── Refused                 it would not work: the message says why and what would
    └── NotUnderstood       a kind of model whose memory this code cannot count
"""

from common.errors import StartError


class Refused(StartError):
    """One line."""


class NotUnderstood(Refused):
    """Not a fault of the model: an engine may well know it."""
