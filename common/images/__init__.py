"""Images of a request: read within limits, and made into what an engine takes."""
