"""Parts of the adapter in services/sglang.py."""
