"""The HTTP contract: bytes in, validated request; deltas out, framed bytes."""
