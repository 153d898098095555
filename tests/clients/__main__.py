"""`python -m tests.clients` writes docs/clients.md."""

from tests.clients.page import FILE, page

FILE.write_text(page(), "utf-8")
