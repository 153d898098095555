"""Wording of what a person reads."""


def counted(number: int, noun: str) -> str:
    """Returns the number with its noun: "1 request", "2 requests"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
