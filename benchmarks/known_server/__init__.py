"""A server whose numbers are known: what a load client says is compared with them."""
