"""Parts of the adapter in services/ray_serve.py."""
