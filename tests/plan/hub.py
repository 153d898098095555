"""A hub with a few files, over HTTP: it counts the bytes that are fetched."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """`files` by repository and name; a repository in `gated` is refused."""

    files: Mapping[str, Mapping[str, bytes]]
    gated: tuple[str, ...] = ()
    url: str = ""
    sent: dict[str, int] = field(default_factory=dict)
    """Bytes by name."""

    def answer(self, path: str) -> tuple[int, str, str, bytes]:
        """Status, error code, name of the file and its content."""
        owner, name, _, _, file = path.lstrip("/").split("/", 4)
        repository = f"{owner}/{name}"
        if repository in self.gated:
            return 403, "GatedRepo", file, b""
        if repository not in self.files:
            return 404, "RepoNotFound", file, b""
        content = self.files[repository].get(file)
        return (404, "EntryNotFound", file, b"") if content is None else (200, "", file, content)


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._send(body=False)

        def do_GET(self) -> None:
            self._send(body=True)

        def _send(self, *, body: bool) -> None:
            status, error, name, content = hub.answer(self.path.partition("?")[0])
            asked = self.headers.get("Range", "")
            if asked and status == 200:
                first, _, last = asked.removeprefix("bytes=").partition("-")
                status, content = 206, content[int(first) : int(last) + 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{name}"')
            if error:
                self.send_header("X-Error-Code", error)
                self.send_header("X-Error-Message", f"{error} says the hub")
            self.end_headers()
            if body:
                hub.sent[name] = hub.sent.get(name, 0) + len(content)
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
