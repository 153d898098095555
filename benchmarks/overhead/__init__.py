"""What the service itself costs per token, side by side with other servers."""
