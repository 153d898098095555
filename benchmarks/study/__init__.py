"""Backends compared: a YAML file's cells, each started, loaded, stopped and kept on the disk."""
