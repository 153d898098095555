"""docs/clients.md says what the data and the scripts say."""

from tests.clients.clients import CAPABILITIES, CLIENTS
from tests.clients.page import FILE, page, setup_line


def test_the_page_is_current() -> None:
    assert FILE.read_text("utf-8") == page(), "run python -m tests.clients"


def test_every_client_has_a_name_of_its_own_and_known_capabilities() -> None:
    assert len({client.id for client in CLIENTS}) == len(CLIENTS)
    for client in CLIENTS:
        assert set(client.has) <= set(CAPABILITIES)
        assert set(client.gaps) <= set(client.has)


def test_every_client_is_pointed_at_the_server_by_one_line() -> None:
    for client in CLIENTS:
        assert "http://localhost:3000" in setup_line(client)
        assert "\n" not in setup_line(client)
