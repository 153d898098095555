"""The process of a model: lives until it is told to end."""

import sys

if __name__ == "__main__":
    sys.stdin.buffer.read()
