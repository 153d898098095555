"""What a service tells systemd, over the socket that systemd would have made."""

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.serving.lifecycle import Lifecycle
from common.serving.systemd import notify_systemd
from common.settings import Settings
from tests.contract.support import CHAT, body_for
from tests.limits import DEADLINE
from tests.service_process import Service, eventually, start_service


class Manager:
    """The other end of NOTIFY_SOCKET; each message as its assignments."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(60)

    def message(self) -> dict[str, str]:
        lines = self.socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def until(self, name: str, value: str) -> list[dict[str, str]]:
        """The messages up to the first with that assignment, which is the last of them."""
        found = [self.message()]
        while found[-1].get(name) != value:
            assert len(found) < 2000, found[-5:]
            found.append(self.message())
        return found


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    found = Manager(path)
    yield found
    found.socket.close()


def generate(service: Service) -> None:
    body = body_for(CHAT, "Hello", max_tokens=20, ignore_eos=True)
    service.http.post(CHAT, json=body)


def test_the_start_then_ready_then_alive_then_the_drain_are_told(manager: Manager) -> None:
    """The service sends each second by the clock that the delays run on: no phase is missed."""
    arguments = {"start_delay": 3, "warm_up_delay": 2, "itl": 0.1}
    with start_service("echo", wait=False, engine_args=arguments) as service:
        *before, ready = manager.until("READY", "1")
        told = [message["STATUS"] for message in before]
        assert all(re.fullmatch(r"starting: (start|load|warm-up) for \d+ s", t) for t in told)
        assert {status.split()[1] for status in told} >= {"load", "warm-up"}
        assert re.fullmatch(r"serving; the start took \d+ s", ready["STATUS"])
        assert service.is_ready()
        assert [manager.message()["WATCHDOG"] for _ in range(3)] == ["1"] * 3
        endless = body_for(CHAT, "Hello", max_tokens=3000, ignore_eos=True, stream=True)
        with service.http.stream("POST", CHAT, json=endless) as response:
            lines = response.iter_lines()
            next(lines)
            service.process.terminate()
            assert manager.until("STOPPING", "1")[-1]["STATUS"] == "finishing what runs"
    assert service.process.returncode == 0


def test_a_dead_engine_ends_the_service_so_that_it_is_started_anew(manager: Manager) -> None:
    death = {"failure": "death", "fail_after": 2}
    with start_service("echo", wait=False, engine_args=death, exit_when_dead=True) as service:
        manager.until("READY", "1")
        generate(service)
        assert service.process.wait(DEADLINE) == 1
        assert "error: the engine has died: the echo fell silent" in service.log_text()


async def test_a_service_that_does_not_end_gives_no_sign_of_life(manager: Manager) -> None:
    lifecycle = Lifecycle(Settings())
    lifecycle.mark_dead("it hangs")
    notifying = asyncio.create_task(notify_systemd(lifecycle))
    message = await asyncio.to_thread(manager.message)
    assert message == {"STATUS": "the engine has died; the service has to be restarted"}
    notifying.cancel()


def test_a_manager_that_is_gone_disturbs_nobody(manager: Manager) -> None:
    with start_service("echo") as service:
        manager.until("READY", "1")
        manager.socket.close()
        eventually(lambda: "systemd is not told any more" in service.log_text(), 120, "it is seen")
        generate(service)
        assert service.is_ready()
