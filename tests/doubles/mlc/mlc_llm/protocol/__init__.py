"""What requests are made of."""
