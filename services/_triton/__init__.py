"""Parts of the adapter in services/triton.py."""
