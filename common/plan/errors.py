"""Why there is no plan."""

from common.errors import StartError


class Refused(StartError):
    """It would not work: the message, one line, says why and what would."""
