"""Keys are found by their names' file, which is read again when it changes."""

import hashlib
import logging
import os
from pathlib import Path

import pytest

from common.errors import StartError
from common.keys.keyring import INTERVAL, Keyring
from tests.keys.clock import Clock

BOTH = """
[alice]
key = "alices-key"
requests_per_minute = 2

[bob]
sha256 = "{}"
""".format(hashlib.sha256(b"bobs-key").hexdigest())


def name_of(keys: Keyring, key: str) -> str | None:
    account = keys.account_of(key.encode())
    return None if account is None else account.name


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "keys.toml"
    written.write_text(BOTH, "utf-8")
    return written


def rewrite(file: Path, text: str, clock: Clock) -> None:
    """Put another file in its place, as editors and Kubernetes do, and let the time pass."""
    new = file.with_suffix(".new")
    new.write_text(text, "utf-8")
    os.replace(new, file)
    clock.now += INTERVAL


def test_a_key_and_the_hash_of_one_both_open(file: Path) -> None:
    keys = Keyring(["plain"], str(file))
    assert keys.needed
    found = [name_of(keys, key) for key in ("alices-key", "bobs-key", "plain", "other", "")]
    assert found == ["alice", "bob", "api_keys", None, None]
    assert set(keys.accounts) == {"alice", "bob", "api_keys"}


def test_without_any_keys_none_is_needed() -> None:
    assert not Keyring([]).needed


def test_a_changed_file_is_read_again_and_accounts_go_on(file: Path) -> None:
    clock = Clock()
    keys = Keyring([], str(file), clock)
    alice = keys.accounts["alice"]
    alice.use(5, 6)
    rewrite(file, '[alice]\nkey = "newer"\n[carol]\nkey = "carols-key"\n', clock)
    found = [name_of(keys, key) for key in ("alices-key", "newer", "bobs-key", "carols-key")]
    assert found == [None, "alice", None, "carol"]
    assert keys.accounts["alice"] is alice
    assert (alice.prompt_tokens, alice.generated_tokens) == (5, 6)
    assert list(alice.headers()) == [], "its limit has gone with the new file"


def test_between_two_looks_the_file_is_not_asked_for(file: Path) -> None:
    clock = Clock()
    keys = Keyring([], str(file), clock)
    file.unlink()
    clock.now += INTERVAL / 2
    assert name_of(keys, "alices-key") == "alice"


@pytest.mark.parametrize("broken", ["[alice", "", '[alice]\nkey = "secret-word"\ncolour = 1\n'])
def test_a_broken_file_keeps_the_keys_and_says_so_once(
    file: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    keys = Keyring([], str(file), clock)
    rewrite(file, broken, clock)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert name_of(keys, "alices-key") == "alice"
            clock.now += INTERVAL
    assert len(caplog.records) == 1
    assert "secret-word" not in caplog.text
    rewrite(file, BOTH.replace("alices-key", "repaired"), clock)
    assert name_of(keys, "repaired") == "alice"


def test_a_file_that_has_gone_keeps_the_keys(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    keys = Keyring([], str(file), clock)
    file.unlink()
    clock.now += INTERVAL
    assert name_of(keys, "alices-key") == "alice"
    assert "cannot be read" in caplog.text


HASH = "0" * 64


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "has 0 keys; allowed are 1 to 1000"),
        ("\n".join(f'[n{i}]\nkey = "{i}"' for i in range(1001)), "has 1001 keys"),
        ("[a\n", "is not TOML"),
        ('a = "hidden"', "'a' is no table"),
        ("[a]\n", "[a] needs exactly one of key and sha256"),
        (f'[a]\nkey = "hidden"\nsha256 = "{HASH}"', "[a] needs exactly one of key and sha256"),
        ('[a]\nkey = ""', "[a] key"),
        ('[a]\nsha256 = "hidden"', "[a] sha256"),
        ('[a]\nkey = "hidden"\nrequests_per_minute = 0', "[a] requests_per_minute"),
        ('[a]\nkey = "hidden"\ntokens_per_minute = "5"', "[a] tokens_per_minute"),
        ('[a]\nkey = "hidden"\nrequest_per_minute = 5', "[a] request_per_minute"),
        ('["a b"]\nkey = "hidden"', "'a b' cannot name a key"),
        ('[api_keys]\nkey = "hidden"', "'api_keys' cannot name a key"),
        ('[a]\nkey = "hidden"\n[b]\nkey = "hidden"', "'a' and 'b' have the same key"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start_with_one_line(
    tmp_path: Path, text: str, fault: str
) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(StartError) as caught:
        Keyring([], str(file))
    message = str(caught.value)
    assert message.startswith(str(file))
    assert fault in message
    assert "\n" not in message
    assert "hidden" not in message


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"nothing\.toml cannot be read"):
        Keyring([], str(tmp_path / "nothing.toml"))
