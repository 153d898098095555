"""Parts of the adapter in services/transformers.py."""
