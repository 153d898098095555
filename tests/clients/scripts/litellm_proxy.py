"""litellm as a proxy before this server, asked by the openai package."""

import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.clients.scripts.checks import BASE_URL, MODEL

command = f"litellm --model hosted_vllm/{MODEL} --api_base {BASE_URL}"
DEADLINE = 300
"""Seconds in which the proxy must be there."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_alive(url: str, proxy: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health/liveliness"):
                return
        except OSError:
            if proxy.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def main() -> int:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program, *words = shlex.split(command)
    path = Path(sys.executable).with_name(program)
    proxy = subprocess.Popen(
        [path, *words, "--host", "127.0.0.1", "--port", str(port)],
        stdout=sys.stderr,
        env={**os.environ, "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"},
    )
    try:
        wait_alive(url, proxy)
        client = [sys.executable, "-m", "tests.clients.scripts.openai_sdk", url, MODEL]
        return subprocess.run(client).returncode
    finally:
        proxy.terminate()
        proxy.wait()


if __name__ == "__main__":
    sys.exit(main())
