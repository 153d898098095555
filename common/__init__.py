"""What every backend shares: the way of a request from HTTP to an engine and back."""
