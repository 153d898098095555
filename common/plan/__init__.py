"""One plan, or a refusal, from a model, an engine's table, a device and the settings.

No engine and no torch is imported: what decides stands in data files, each row with its source.
"""
