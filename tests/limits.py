"""How long tests wait: two run at a time, and a machine may be slow."""

AT_ONCE = 4.0
"""Seconds in which all is told that is told within one."""
BUILD_DEADLINE = 600.0
"""Seconds of a build of the demo model."""
