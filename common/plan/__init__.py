"""From a model, an engine's table, a device and a wish to one plan, or to a refusal.

No engine and no torch is imported: what decides stands in data files, each row with its source.
"""
