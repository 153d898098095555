"""Proves a backend on the machine at hand, and writes down what was seen."""
