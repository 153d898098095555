"""The connections of a client: no limit of their number, kept open, nothing added to a request."""

import os
import resource

import aiohttp

from benchmarks.load.messages import PATHS
from benchmarks.load.request import Endpoint
from benchmarks.load.spec import KEY, Spec

READ_BUFFER = 2**20
"""Bytes: at aiohttp's own 64 KiB large answers wait for the reader."""
OPEN_FILES = 2**16
CONNECT_TIMEOUT = 30.0
KEEP_ALIVE = 3600.0


def allow_connections() -> None:
    """As many as the machine lets a process have: each is an open file, and a shell's usual limit
    of 1,024 would look like a server that refuses the others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def session() -> aiohttp.ClientSession:
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    if key := os.environ.get(KEY):
        headers["authorization"] = f"Bearer {key}"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        headers=headers,
        read_bufsize=READ_BUFFER,
    )


def endpoint(of: aiohttp.ClientSession, spec: Spec) -> Endpoint:
    url = spec.url.rstrip("/") + PATHS[spec.protocol]
    return Endpoint(of, url, raw=spec.protocol == "generate", timeout=spec.timeout)
