"""Many requests from a file: checked, sent a few at a time, and answered in the file's order."""
