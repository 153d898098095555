"""python -m benchmarks.load_generators.aiperf URL …: benchmarks.load, with aiperf as its client."""

import sys

from benchmarks.load.__main__ import main

if __name__ == "__main__":
    sys.exit(main([*sys.argv[1:], "--engine=aiperf"]))
