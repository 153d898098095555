"""Processes that do not outlive us, and servers that run in them or elsewhere."""
