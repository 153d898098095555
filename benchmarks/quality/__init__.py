"""Whether the answers are right: what an endpoint scores in tasks, each with an interval."""
