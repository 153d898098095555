"""These tests import LMDeploy: they run in its environment, as tests/lmdeploy/test_adapter.py."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("lmdeploy") else ["test_*.py"]
