"""Anthropic's Messages API: a request becomes that of a chat, its answer a message."""
