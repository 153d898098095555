"""What the supervisor is made of: the guard, restarts, looks at remote servers, SSE, ports."""

import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from common.errors import EngineLost, StartError
from common.processes.child_guard import UNKILLABLE
from common.processes.guarded import GUARD
from common.processes.ports import free_ports
from common.processes.remote_server import RemoteServer, without_userinfo
from common.processes.restarts import Restarts
from common.sse import sse_data
from tests.limits import DEADLINE
from tests.processes.supervised import SERVER, SLEEP, gone, powerless_guard
from tests.service_process import eventually

WORKER = f"""
import subprocess, sys, time
guard = [sys.executable, {GUARD!r}, "0.5", sys.executable, "-S", "-c", sys.argv[1], sys.argv[2]]
subprocess.Popen(guard, stdin=subprocess.PIPE)
time.sleep(60)
"""


def test_a_killed_worker_leaves_nothing(tmp_path: Path) -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER, SERVER, str(tmp_path)])
    pids = tmp_path / "pids"
    eventually(pids.exists, DEADLINE, "serves")
    left = psutil.Process(worker.pid).children(recursive=True)
    assert len(left) == 3
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    eventually(lambda: all(map(gone, left)), DEADLINE, "all are gone")


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(5)", 5), ("kill", 137)])
def test_the_guards_exit_status_is_its_servers(code: str, status: int) -> None:
    code = code if code != "kill" else "import os; os.kill(os.getpid(), 9)"
    argv = [sys.executable, GUARD, "1", sys.executable, "-S", "-c", code]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as guard:
        assert guard.wait(DEADLINE) == status


def test_a_server_that_cannot_be_killed_has_an_exit_status_of_its_own(tmp_path: Path) -> None:
    guard = str(powerless_guard(tmp_path))
    argv = [sys.executable, guard, "0.1", sys.executable, "-S", "-c", SLEEP]
    ended = subprocess.run(argv, input=b"", capture_output=True, timeout=20, check=False)
    assert ended.returncode == UNKILLABLE
    assert ended.stdout.startswith(b"killed and not gone: process ")


def test_waits_double_until_there_are_no_restarts_left() -> None:
    restarts = Restarts(limit=3, first_wait=0.5)
    assert [restarts.next_wait() for _ in range(4)] == [0.5, 1, 2, None]


def test_a_server_that_served_long_begins_anew() -> None:
    restarts = Restarts(limit=1, window=10, first_wait=0.5)
    assert restarts.next_wait(served=3) == 0.5
    assert restarts.next_wait(served=3) is None
    assert restarts.next_wait(served=11) == 0.5


async def test_an_address_where_nothing_answers_is_told_with_the_command() -> None:
    async def ready() -> bool:
        return False

    server = RemoteServer("Engine", "http://127.0.0.1:9", ready, command="engine serve")
    with pytest.raises(StartError) as raised:
        await server.start()
    assert str(raised.value) == (
        "setting 'engine_url': no Engine answers at 'http://127.0.0.1:9'; start one there "
        "(engine serve), give its address, or leave the setting out to have one started"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:secret@there:80/v1", "http://there:80/v1"),
        ("user:secret@there:8001", "there:8001"),
        ("http://there/a@b", "http://there/a@b"),
        ("localhost:8001", "localhost:8001"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_userinfo(url) == shown


async def test_a_password_in_an_address_is_told_to_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("common.processes.probe.PROBE_INTERVAL", 0)

    async def ready() -> bool:
        return False

    server = RemoteServer("Engine", "http://user:secret@there", ready)
    with pytest.raises(StartError, match="no Engine answers at 'http://there'"):
        await server.start()
    told = [(await server.health()).reason, (await server.failure("reset")).message]
    assert "there" not in " ".join(told)
    assert "Engine at http://there broke a request off: reset" in caplog.text
    await server.stop()


async def test_a_remote_server_may_go_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.processes.probe.PROBE_INTERVAL", 0)
    answers = True

    async def ready() -> bool:
        return answers

    server = RemoteServer("Engine", "http://there", ready)
    await server.start()
    assert (await server.health()).ready
    answers = False
    health = await server.health()
    assert (health.alive, health.ready) == (True, False)
    assert health.reason == "Engine does not answer"
    server.check()
    assert isinstance(await server.failure("connection reset"), EngineLost)
    answers = True
    assert (await server.health()).ready
    await server.stop()


async def test_a_request_that_broke_off_is_reason_to_look_again() -> None:
    answers = True

    async def ready() -> bool:
        return answers

    server = RemoteServer("Engine", "http://there", ready)
    await server.start()
    answers = False
    assert (await server.health()).ready, "a look holds for a while"
    await server.failure("connection reset")
    assert not (await server.health()).ready
    await server.stop()


async def test_many_questions_are_one_look() -> None:
    asked = 0

    async def ready() -> bool:
        nonlocal asked
        asked += 1
        return True

    server = RemoteServer("Engine", "http://there", ready)
    await server.start()
    for _ in range(10):
        await server.health()
    assert asked == 1


async def pieces_of(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_events_are_found_however_their_bytes_are_cut(size: int) -> None:
    text = (
        b': keep-alive\n\ndata:{"a":1}\n\ndata: {"b":2}\r\n\r\nevent: x\nid: 7\n\n'
        b"data: one\ndata:two\n\n\n\ndata: cut off"
    )
    found = [data async for data in sse_data(pieces_of(text, size))]
    assert found == [b'{"a":1}', b'{"b":2}', b"one\ntwo"]


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()
