"""Parts of the adapter in services/mlc.py."""
