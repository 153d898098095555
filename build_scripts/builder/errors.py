"""Why nothing was built."""


class BuildError(Exception):
    """One line: what is missing or wrong, and what would work."""
