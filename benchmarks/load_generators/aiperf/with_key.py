"""Runs aiperf with the key from the environment: on a command line every user would see it.

Run by aiperf's own Python, which has the standard library and aiperf only.
"""

import os
import runpy
import sys

if __name__ == "__main__":
    sys.argv = [*sys.argv[1:], "--api-key", os.environ.pop("LLM_API_KEY")]
    runpy.run_path(sys.argv[0], run_name="__main__")
