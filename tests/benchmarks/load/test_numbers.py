"""Windows, phases and verdicts from requests whose numbers are known."""

import pytest
from pydantic import ValidationError

from benchmarks.load.request import Sent
from benchmarks.load.result import cost
from benchmarks.load.run import ProgressCounter
from benchmarks.load.spec import Spec
from benchmarks.load.summary import distribution, percentile, phase, tpot, windows
from benchmarks.load.traffic import arrivals
from benchmarks.load.verdict import ClientHealth, HealthSample, client_health, verdict
from benchmarks.results.schema import Outcome, Phase, Request, Series, Verdict

CALM = ClientHealth(loop_lag_p99=0.001, cpu=0.1, cpu_seconds=1.0)
LATE = ClientHealth(loop_lag_p99=0.2, cpu=0.1, cpu_seconds=1.0)
BUSY = ClientHealth(loop_lag_p99=0.0, cpu=0.97, cpu_seconds=1.0)


def spec(**values: object) -> Spec:
    given = {"url": "http://x", "users": 2, "ramp": 2.0, "duration": 10.0, "window": 4.0, **values}
    return Spec.model_validate(given)


def request(
    sent: float, *, tokens: int | None = 4, seconds: float = 2.0, **more: object
) -> Request:
    """Four chunks, the first after half a second, then one each half second."""
    given: dict[str, object] = {
        "index": 0,
        "user": 0,
        "prompt": "p",
        "sent": sent,
        "first_token": sent + 0.5,
        "last_token": sent + 2.0,
        "ended": sent + seconds,
        "outcome": Outcome.OK,
        "output_tokens": tokens,
        "prompt_tokens": 10,
        "chunks": 4,
        "gaps": (0.5, 0.5, 0.5),
    }
    return Request.model_validate(given | more)


def back_to_back() -> list[Request]:
    """Two users, always busy, from 0 and from 1 second on; the last ends after the duration."""
    return [request(2.0 * n + user, user=user) for user in (0, 1) for n in range(5)]


def test_tokens_are_counted_in_the_window_in_which_they_came() -> None:
    made = windows(spec(), back_to_back(), 11.0)
    assert [(w.phase, w.start, w.seconds) for w in made] == [
        ("ramp", 0, 2), ("plateau", 2, 4), ("plateau", 6, 4), ("drain", 10, 1),
    ]  # fmt: skip
    assert [w.tokens for w in made] == [4, 16, 16, 4]
    assert sum(w.tokens for w in made) == 40
    assert [w.in_flight for w in made] == [1.5, 2, 2, 1]


def test_several_tokens_in_a_chunk_are_all_counted() -> None:
    made = windows(spec(), [request(2.0, tokens=12)], 10.0)
    assert sum(w.tokens for w in made) == pytest.approx(12)


def test_a_read_of_many_tokens_counts_when_it_came() -> None:
    """A single token, and the other 40 in one read, in the next window."""
    burst = request(2.0, tokens=41, chunks=2, gaps=(5.0,), weights=(1, 40), seconds=6.0)
    plateau = [w.tokens for w in windows(spec(), [burst], 10.0) if w.phase == "plateau"]
    assert plateau == [1, 40]


def test_a_broken_answer_has_as_many_tokens_as_a_whole_one_of_its_length() -> None:
    """A token of the whole one has three characters, however they were read."""
    whole = request(2.0, tokens=8, weights=(6, 6, 6, 6))
    broken = request(2.0, tokens=None, outcome=Outcome.CUT, chunks=1, gaps=(), weights=(12,))
    assert sum(w.tokens for w in windows(spec(), [whole, broken], 10.0)) == pytest.approx(12)


def test_what_broke_off_still_came() -> None:
    broken = request(2.0, tokens=None, outcome=Outcome.CUT)
    (window, _) = [w for w in windows(spec(), [broken], 10.0) if w.phase == "plateau"]
    assert (window.tokens, window.failed) == (4, 1)


def test_latencies_are_of_the_requests_that_were_sent_in_the_phase_and_ended_well() -> None:
    requests = [*back_to_back(), request(4.0, outcome=Outcome.IN_BAND_ERROR, seconds=9.0)]
    made = phase(spec(), requests, 2.0, 10.0)
    assert made.ttft is not None
    assert made.end_to_end is not None
    assert (made.ttft.count, made.ttft.mean) == (8, 0.5)
    assert made.end_to_end.max == 2.0
    assert made.outcomes == {Outcome.OK: 8, Outcome.IN_BAND_ERROR: 1}
    assert made.error_latency is not None
    assert made.error_latency.count == 1


def test_time_per_token_leaves_the_first_token_out() -> None:
    assert tpot(request(0.0, tokens=4)) == 0.5
    assert tpot(request(0.0, tokens=1)) is None
    assert tpot(request(0.0, tokens=None)) is None


def test_an_open_loop_waits_from_when_the_request_was_due() -> None:
    made = phase(spec(), [request(3.0, intended=2.5)], 2.0, 10.0)
    assert made.ttft is not None
    assert made.end_to_end is not None
    assert (made.ttft.mean, made.end_to_end.mean) == (1.0, 2.5)


@pytest.mark.parametrize(
    ("limits", "good"),
    [({"ttft": 0.6}, 1 / 8), ({"ttft": 0.4}, 0), ({"tpot": 0.4}, 0), ({}, None)],
)
def test_goodput_is_of_requests_that_kept_every_limit(
    limits: dict[str, float], good: float | None
) -> None:
    assert phase(spec(limits=limits), [request(2.0)], 2.0, 10.0).goodput == good


def test_an_answer_of_nothing_keeps_no_limit_of_the_first_token() -> None:
    nothing = request(2.0, tokens=0, first_token=None, last_token=None, chunks=0, gaps=())
    assert phase(spec(limits={"ttft": 9.0}), [nothing], 2.0, 10.0).goodput == 0
    assert phase(spec(limits={"end_to_end": 9.0}), [nothing], 2.0, 10.0).goodput == 1 / 8


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, p) for p in (50, 90, 99, 100)] == [50, 90, 99, 100]
    assert percentile([], 99) == 0
    assert distribution([]) is None


def judged(requests: list[Request], health: ClientHealth = CALM, **more: object) -> Verdict:
    asked = spec(**more)
    plateau = phase(asked, requests, 2.0, 10.0)
    return verdict(asked, requests, windows(asked, requests, 11.0), plateau, [health])


def test_a_calm_client_is_valid() -> None:
    made = judged(back_to_back())
    assert made.valid
    assert made.users_reached == 2
    assert made.client_cpu_per_1000_tokens == pytest.approx(25)


@pytest.mark.parametrize(
    ("health", "reason"), [(LATE, "event loop lagged by 200 ms"), (BUSY, "97% of a core")]
)
def test_a_client_that_did_not_keep_up_voids_the_run(health: ClientHealth, reason: str) -> None:
    made = judged(back_to_back(), health)
    assert not made.valid
    assert reason in made.reasons[0]


@pytest.mark.parametrize(
    ("users", "advice"), [(1, "give the client a core of its own"), (2, "more processes (--procs)")]
)
def test_a_single_user_is_not_to_be_spread_over_processes(users: int, advice: str) -> None:
    assert judged(back_to_back(), LATE, users=users).reasons[0].endswith(advice)


def test_tokens_that_nobody_counted_void_the_run() -> None:
    made = judged([*back_to_back(), request(3.0, tokens=None, user=1)])
    assert made.reasons[0].startswith("nobody counted the tokens of 1 answer:")


def test_what_broke_off_has_as_many_tokens_in_a_chunk_as_the_others() -> None:
    both = [request(2.0, tokens=12), request(2.0, tokens=None, outcome=Outcome.UNFINISHED)]
    assert sum(window.tokens for window in windows(spec(), both, 10.0)) == pytest.approx(24)


def test_users_that_came_late_void_the_run() -> None:
    late = [request(each.sent + 0.5, user=each.user) for each in back_to_back()]
    assert any("sent 500 ms late" in reason for reason in judged(late).reasons)


def test_users_that_never_were_there_void_the_run() -> None:
    made = judged(back_to_back(), users=3)
    assert "only 2.0 of 3 users were in flight" in made.reasons


def test_requests_that_were_sent_late_void_the_run() -> None:
    late = [request(3.0, intended=2.5)]
    made = judged(late, mode="poisson", rate=1.0, users=None, ramp=0.0)
    assert "sent 500 ms late" in made.reasons[0]


def test_arrivals_are_the_same_for_the_same_seed_and_come_at_the_rate() -> None:
    poisson = spec(mode="poisson", rate=50.0, users=None, ramp=0.0, duration=100.0)
    made = list(arrivals(poisson))
    assert made == list(arrivals(poisson))
    assert made == sorted(made)
    assert len(made) == pytest.approx(5000, rel=0.06)
    constant = poisson.model_copy(update={"mode": "constant", "duration": 1.0})
    assert list(arrivals(constant)) == pytest.approx([n / 50 for n in range(1, 50)])


def test_cost_is_that_of_the_plateau() -> None:
    plateau: Phase = phase(spec(), back_to_back(), 2.0, 10.0)
    assert plateau.tokens_per_second == 4
    power = [
        Series(
            source="gpu", name="power", unit="watts", points=((1.0, 900), (3.0, 100), (5.0, 300))
        )
    ]
    made = cost(plateau, power, 3.6)
    assert made.per_million_output_tokens == pytest.approx(250)
    assert made.joules_per_output_token == pytest.approx(50)
    assert cost(plateau, [], None).joules_per_output_token is None


def test_answers_without_an_end_are_told() -> None:
    made = judged([*back_to_back(), request(9.0, user=1, outcome=Outcome.UNFINISHED)])
    assert made.warnings == (
        "1 request of the plateau had no end after the drain: the latencies lack the slowest "
        "(--drain)",
    )
    assert judged(back_to_back()).warnings == ()


def test_a_stall_weighs_as_long_as_it_was() -> None:
    """Half a second in ten: of one late look in five hundred the 99th percentile tells nothing."""
    samples = [HealthSample(0.02 * n, 0.0, 0.0) for n in range(475)]
    stalled = [*samples, HealthSample(10.0, 0.0, 0.5)]
    assert client_health(stalled, 0.0, 10.0).loop_lag_p99 > 0.3


@pytest.mark.parametrize(("begun", "ended"), [(0.5, 6.0), (10.0, 14.0), (5.0, 9.0)])
def test_a_stall_at_an_edge_of_the_plateau_counts(begun: float, ended: float) -> None:
    before = [HealthSample(0.02 * n, 0.0, 0.0) for n in range(round(begun / 0.02) + 1)]
    after = [
        HealthSample(ended + 0.02 * n, 0.0, 0.0) for n in range(1, round((14 - ended) / 0.02) + 1)
    ]
    stalled = HealthSample(ended, 0.0, ended - begun)
    assert client_health([*before, stalled, *after], 1.0, 13.0).loop_lag_p99 > 1


def test_only_the_plateau_is_judged() -> None:
    samples = [
        HealthSample(float(n), 0.1 * n if n < 20 else 2.0 + (n - 20), 0.0) for n in range(31)
    ]
    made = client_health(samples, 20.0, 30.0)
    assert (made.cpu, made.cpu_seconds) == (1.0, 12.0)
    assert client_health(samples, 100.0, 200.0).cpu == pytest.approx(0.4)


def test_users_who_wait_after_the_servers_failures_were_there() -> None:
    refused = [
        request(2.0 * n + 1, user=1, seconds=0.01, outcome=Outcome.HTTP_ERROR, tokens=None)
        for n in range(5)
    ]
    made = judged([*back_to_back()[:5], *refused])
    assert made.users_reached < 1.2
    assert made.valid


def test_who_idles_of_its_own_accord_is_not_excused_by_a_failure() -> None:
    idle = [request(3.0 * n, user=0, seconds=0.5) for n in range(4)]
    failed = request(3.5, user=0, seconds=0.1, outcome=Outcome.HTTP_ERROR, tokens=None)
    again = request(3.7, user=0, seconds=0.1)
    assert not judged([*idle, failed, again], users=1).valid


def test_an_answer_that_came_at_once_has_no_time_between_tokens() -> None:
    assert tpot(request(2.0, tokens=20, chunks=1, gaps=())) is None


def test_goodput_is_never_more_than_what_ended() -> None:
    late = request(9.0, seconds=2.0)
    made = phase(spec(limits={"end_to_end": 9.0}), [late], 2.0, 10.0)
    assert (made.goodput, made.requests_per_second) == (0, 0)


def test_a_client_counts_what_it_sees_without_looking_twice() -> None:
    requests = [Sent(n, 0, 0, "p", 1) for n in range(3)]
    counter = ProgressCounter(requests)
    requests[0].stamps, requests[0].ended, requests[0].outcome = [1, 2], 3, Outcome.OK
    requests[1].stamps = [1]
    first = counter.count(0)
    assert (first.in_flight, first.chunks, first.succeeded, first.failed) == (2, 3, 1, 0)
    requests[1].stamps, requests[1].ended, requests[1].outcome = [1, 2], 3, Outcome.CUT
    requests.append(Sent(3, 0, 0, "p", 1))
    second = counter.count(1)
    assert (second.in_flight, second.chunks, second.succeeded, second.failed) == (2, 4, 1, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"url": "http://me:word@host"}, "has a user or a password"),
        ({"url": "http://[::1"}, "has to be like http://localhost:3000"),
        ({"url": "http://host:port"}, "has to be like"),
        ({"timeout": float("inf")}, "finite"),
        ({"mode": "constant", "users": None, "ramp": 0, "rate": float("inf")}, "finite"),
    ],
)
def test_what_no_run_can_be_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(**values)
