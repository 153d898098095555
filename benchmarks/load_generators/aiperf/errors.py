from benchmarks.load.spec import LoadFailed


class EngineFailed(LoadFailed):
    """aiperf is missing, cannot do what is asked, or gave nothing; one line."""
