"""OpenAI's Responses API without a store: a request has all of its conversation."""
