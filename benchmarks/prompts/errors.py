class BadPrompts(ValueError):
    """A source that has no prompts to give; the message is one line and names it."""
