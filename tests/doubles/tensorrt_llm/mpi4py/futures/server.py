"""The process of a model: says that it runs, and lives until it is told to end."""

import sys

if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.buffer.read()
