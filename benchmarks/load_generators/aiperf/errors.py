class EngineFailed(Exception):
    """aiperf is missing, cannot do what is asked, or gave nothing; one line."""
