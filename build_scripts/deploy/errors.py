"""Why nothing was deployed."""


class DeployError(Exception):
    """One line: what is wrong, where it stands, and what would work."""
