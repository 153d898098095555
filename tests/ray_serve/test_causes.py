"""The cause of a failure that a process of vLLM prints in a replica, as Ray 2.60 shows it."""

from services._ray_serve.app import engine_errors

LINES = """\
(EngineCore pid=21970) ERROR 11-30 04:32:36 [core.py:1374] Traceback (most recent call last):
(EngineCore pid=21970) ERROR 11-30 04:32:36 [core.py:1374]     raise ValueError: no such line
(EngineCore pid=21970) ERROR 11-30 04:32:36 [core.py:1374] RuntimeError: start (0) + length (832)
(APIServer pid=20955) INFO 11-30 04:32:36 [core.py:1374] RuntimeError: another process
"""


def test_the_last_line_of_the_engine_s_traceback_is_its_error() -> None:
    assert engine_errors(LINES.splitlines()) == ["RuntimeError: start (0) + length (832)"]
