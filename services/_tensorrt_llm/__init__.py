"""Parts of the adapter in services/tensorrt_llm.py."""
