"""Parts of the adapter in services/vllm.py."""
