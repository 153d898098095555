"""Chaos: users ask a service while one thing after another breaks, and everything is counted."""
