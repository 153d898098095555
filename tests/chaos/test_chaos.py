"""Chaos in short, over an Echo: about 20 seconds."""

import pytest

from tests.chaos.__main__ import main

FAULTS = ["clients leave", "no file descriptors", "full disk", "SIGKILL of the worker"]


def test_no_fault_leaves_anything_behind(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [part for fault in FAULTS for part in ("--only", fault)]
    status = main(["echo", "--users", "60", "--minutes", "0.1", "--hold", "0.5", *chosen])
    table = capsys.readouterr().out
    assert status == 0, table
    assert table.count("all right") == 2 * len(FAULTS), table
