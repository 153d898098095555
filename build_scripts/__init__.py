"""Scripts that make files this repository ships; each subpackage runs with `python -m`."""
