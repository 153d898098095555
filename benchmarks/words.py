"""Wording of what a person reads."""

MINUTE, HOUR = 60, 3600


def counted(number: int, noun: str) -> str:
    """Returns the number with its noun: "1 request", "2 requests"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def readable_time(seconds: float) -> str:
    """Returns "8 s", "3 min" or "1 h 20 min"."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds // HOUR:.0f} h {seconds % HOUR // MINUTE:.0f} min"
