"""The load: simulated users of one endpoint, and what they saw."""
