"""What the builders that compile a model for one engine share."""
