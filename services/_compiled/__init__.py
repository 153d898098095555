"""Models that our builders compiled for one kind of GPU."""
