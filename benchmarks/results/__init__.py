"""What one run leaves behind: a result as JSON, its requests as JSON Lines."""
