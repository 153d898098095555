"""How long tests wait: several run at a time, and a machine may be busy with others, too.

A limit ends a test that would wait for ever. None of them says how fast something is.
"""

AT_ONCE = 20.0
"""Seconds in which all comes that comes within one on a machine that is idle."""
DEADLINE = 60.0
"""Seconds in which everything comes that takes no engine's start."""
BUILD_DEADLINE = 1800.0
"""Seconds of a build of the demo model, or of all bentos."""
