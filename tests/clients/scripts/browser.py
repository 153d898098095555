"""The openai package in a browser, on a page of another origin: texts of openai_node.mjs."""

import http.server
import json
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

from playwright.sync_api import ConsoleMessage, sync_playwright

from tests.clients.scripts.checks import MODEL, URL

REPOSITORY = Path(__file__).parents[3]
PACKAGES = REPOSITORY / ".venv-client-node"
ARGUMENTS = ["", "", URL, MODEL, "plain", "stream", "error"]
LIMIT = 120_000
"""Milliseconds that the page may take."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
IMPORTS = {
    "openai": "/node_modules/openai/index.mjs",
    "openai/helpers/zod": "/node_modules/openai/helpers/zod.mjs",
    "zod": "/node_modules/zod/index.js",
    "zod/v3": "/node_modules/zod/v3/index.js",
    "zod/v4": "/node_modules/zod/v4/index.js",
}
PAGE = f"""<!doctype html>
<script>globalThis.process = {{ argv: {json.dumps(ARGUMENTS)} }}</script>
<script type="importmap">{json.dumps({"imports": IMPORTS})}</script>
<script type="module">
await import('/scripts/openai_node.mjs')
document.title = 'end'
</script>
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.encode())
        return None


def show(message: ConsoleMessage) -> None:
    if message.type == "log":
        print(message.text, flush=True)


def visit(url: str) -> None:
    found = subprocess.run([REPOSITORY / "scripts" / "chromium"], capture_output=True, text=True)
    if found.returncode:
        sys.exit(found.stderr)
    with sync_playwright() as playwright:
        program = found.stdout.strip()
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page()
        page.on("console", show)
        page.goto(url)
        page.wait_for_function("document.title === 'end'", timeout=LIMIT)
        browser.close()


def main() -> None:
    handler = partial(Handler, directory=str(PACKAGES))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        visit(f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()


if __name__ == "__main__":
    main()
