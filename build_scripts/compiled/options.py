"""Types of command-line values."""


def positive(text: str) -> int:
    """A whole number from 1; argparse tells the flag and the text of what is not."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value
