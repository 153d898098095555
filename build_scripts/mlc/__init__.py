"""Compiles a model for MLC-LLM."""
