"""Sends a service what no client should: `python -m tests.fuzz URL` (docs/fuzzing.md)."""
