"""`python -m tests.clients.record SERVICE FILE` records what an agent asks of a service.

It listens on port 19100 and passes requests on to SERVICE until it is interrupted. FILE then has a
line for each: its path, its body and the status of its answer. Of the agent's own words only the
shape stays: a text of more than one word is `text`. Where the model calls a tool, the request with
its result is there as well.
"""

import http.server
import json
import sys
from pathlib import Path
from typing import Any

import httpx

PORT = 19100
HEADERS = ("content-type", "authorization", "x-api-key", "anthropic-version", "anthropic-beta")
PROSE = ("description", "user_id")
"""Fields of which the value is left out even where it is one word."""

records: list[dict[str, Any]] = []


def shape(value: Any, name: str = "") -> Any:
    """Returns a JSON value without the words in it."""
    if isinstance(value, dict):
        return {key: shape(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item, name) for item in value]
    if not isinstance(value, str):
        return value
    return "text" if name in PROSE or len(value.split()) > 1 else value


class Recorder(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        sent = {name: self.headers[name] for name in HEADERS if name in self.headers}
        answer = httpx.post(sys.argv[1] + self.path, content=body, headers=sent, timeout=600)
        records.append(
            {"path": self.path, "status": answer.status_code, "body": shape(json.loads(body))}
        )
        self.send_response(answer.status_code)
        self.send_header("content-type", answer.headers["content-type"])
        self.end_headers()
        self.wfile.write(answer.content)


if __name__ == "__main__":
    try:
        http.server.HTTPServer(("127.0.0.1", PORT), Recorder).serve_forever()
    except KeyboardInterrupt:
        Path(sys.argv[2]).write_text("".join(json.dumps(r) + "\n" for r in records), "utf-8")
