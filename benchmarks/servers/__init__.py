"""The servers that the services are compared with: the same work with nothing around it.

Their /tokenize counts what came for the load client, as ours does.
"""

PIECE = " word"
"""What a server without a model sends for one token."""
