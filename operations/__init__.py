"""Runs a backend on Kubernetes, with Docker Compose or under systemd, and watches it."""
