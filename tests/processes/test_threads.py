"""The threads of an executor are there before its first task."""

import threading
from concurrent.futures import ThreadPoolExecutor

from common.processes.threads import start_threads


def test_no_thread_is_started_for_a_task() -> None:
    with ThreadPoolExecutor(3, "early") as executor:
        start_threads(executor, 3)
        early = {each.ident for each in threading.enumerate() if each.name.startswith("early")}
        assert len(early) == 3
        used = set(executor.map(lambda _: threading.get_ident(), range(50)))
        assert used <= early
