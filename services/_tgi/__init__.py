"""Parts of the adapter in services/tgi.py."""
