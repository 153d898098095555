"""The limits of an account hold over any minutes, and its headers tell what is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import RateLimited
from common.keys.account import MINUTE, Account, KeyLimits, duration
from tests.keys.clock import Clock


def accepts(account: Account) -> bool:
    try:
        account.accept()
    except RateLimited:
        return False
    return True


def headers(account: Account) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in account.headers()}


def test_an_account_without_limits_is_never_refused_and_has_no_headers() -> None:
    account = Account("a", KeyLimits(), Clock())
    assert all(accepts(account) for _ in range(1000))
    assert headers(account) == {}


def test_requests_beyond_the_limit_wait_until_one_is_free() -> None:
    clock = Clock()
    account = Account("a", KeyLimits(requests_per_minute=3), clock)
    assert [accepts(account) for _ in range(4)] == [True, True, True, False]
    assert (account.accepted, account.refused) == (3, 1)
    with pytest.raises(RateLimited, match="'a' has used its 3 requests per minute") as caught:
        account.accept()
    assert caught.value.headers == {"retry-after": "20"}
    clock.now += 20
    assert [accepts(account), accepts(account)] == [True, False]


def test_headers_tell_what_is_left_and_when_all_is() -> None:
    clock = Clock()
    account = Account("a", KeyLimits(60, 600), clock)
    account.accept()
    account.use(100, 20)
    assert headers(account) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "480",
        "x-ratelimit-reset-tokens": "12s",
    }
    clock.now += MINUTE
    assert headers(account)["x-ratelimit-reset-tokens"] == "0ms"


def test_tokens_beyond_the_limit_are_a_debt_that_later_minutes_pay() -> None:
    clock = Clock()
    account = Account("a", KeyLimits(tokens_per_minute=60), clock)
    assert accepts(account)
    account.use(100, 80)
    assert not accepts(account)
    assert headers(account)["x-ratelimit-remaining-tokens"] == "0"
    clock.now += 120
    assert not accepts(account)
    clock.now += 1
    assert accepts(account)


def test_a_limit_that_changes_begins_anew_and_one_that_stays_goes_on() -> None:
    account = Account("a", KeyLimits(2, 60), Clock())
    account.accept()
    account.use(50, 0)
    account.change(KeyLimits(5, 60))
    told = headers(account)
    assert told["x-ratelimit-remaining-requests"] == "5"
    assert told["x-ratelimit-remaining-tokens"] == "10"


@given(
    limit=st.integers(1, 100),
    pauses=st.lists(st.floats(0, 90, allow_nan=False), min_size=1, max_size=200),
)
def test_beyond_a_first_burst_the_rate_is_never_above_the_limit(
    limit: int, pauses: list[float]
) -> None:
    clock = Clock()
    account = Account("a", KeyLimits(requests_per_minute=limit), clock)
    start, accepted = clock.now, 0
    for pause in pauses:
        clock.now += pause
        accepted += accepts(account)
        assert accepted <= limit + (clock.now - start) * limit / MINUTE + 1e-6


@given(limit=st.integers(1, 1000), used=st.integers(0, 100_000))
def test_who_comes_back_after_retry_after_is_accepted(limit: int, used: int) -> None:
    clock = Clock()
    account = Account("a", KeyLimits(tokens_per_minute=limit), clock)
    account.use(used, 0)
    wait = 0
    try:
        account.accept()
    except RateLimited as error:
        wait = error.retry_after or 0
    assert (wait > 0) == (used >= limit)
    clock.now += wait
    account.accept()


def test_durations_are_written_as_openai_writes_them() -> None:
    written = [duration(seconds) for seconds in (0, 0.0199, 1, 8.64, 60, 360, 3599.9995)]
    assert written == ["0ms", "20ms", "1s", "8.64s", "1m0s", "6m0s", "60m0s"]
