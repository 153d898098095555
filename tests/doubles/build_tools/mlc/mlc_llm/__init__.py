"""A double of MLC-LLM: its build commands."""
