"""Files that run a backend on Kubernetes, with Docker Compose or under systemd."""
