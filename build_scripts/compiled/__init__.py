"""The parts shared by the builders that compile a model for one engine."""
