"""The servers that the services are compared with: the same work with nothing around it."""

PIECE = " word"
"""What a server without a model sends for one token."""
