"""Measurements of the services: what they cost, and how they compare."""
