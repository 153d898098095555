"""Compiles a TensorRT engine with TensorRT-LLM 1.2.1."""
