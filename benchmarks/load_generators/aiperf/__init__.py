"""NVIDIA's aiperf, from an environment of its own, its records judged again."""
