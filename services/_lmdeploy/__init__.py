"""Parts of the adapter in services/lmdeploy.py."""
