import json
from pathlib import Path

import pytest

from benchmarks.imports.run import NotImportable, result
from benchmarks.imports.vllm import UNSEEN, read
from benchmarks.imports.vllm_error import outcome
from benchmarks.results.schema import Outcome
from tests.benchmarks.imports.support import RECORDED, outcomes, vllm_file


@pytest.mark.parametrize(
    ("name", "failed", "status"),
    [("cut", Outcome.CUT, None), ("refused", Outcome.HTTP_ERROR, 500)],
)
def test_failures_are_told_apart_by_the_texts_of_their_errors(
    name: str, failed: Outcome, status: int | None
) -> None:
    foreign = read(RECORDED / f"vllm-{name}.json")

    assert outcomes(foreign) == {Outcome.OK: 16, failed: 4}
    bad = [request for request in foreign.requests if request.outcome is failed]
    assert {request.status for request in bad} == {status}
    assert {request.output_tokens for request in bad} == {None}
    assert all(request.error and "\n" not in request.error for request in bad)


def test_what_the_tool_cannot_see_is_warned_of() -> None:
    foreign = read(RECORDED / "vllm-errors.json")

    assert outcomes(foreign) == {Outcome.OK: 20}
    assert UNSEEN in result(foreign).verdict.warnings


def test_a_first_event_without_text_is_recognised() -> None:
    with_role = result(read(RECORDED / "vllm-errors.json")).verdict.warnings
    without = result(read(RECORDED / "vllm-cut.json")).verdict.warnings

    assert any("first event of its answers has no text" in warning for warning in with_role)
    assert not any("first event" in warning for warning in without)


def test_means_are_those_that_the_tool_printed() -> None:
    told = json.loads((RECORDED / "vllm-refused.json").read_text())
    well = [r for r in read(RECORDED / "vllm-refused.json").requests if r.outcome is Outcome.OK]
    first = [r.first_token - r.sent for r in well if r.first_token is not None]
    whole = [r.ended - r.sent for r in well]

    assert len(well) == told["completed"]
    assert sum(first) / len(first) * 1000 == pytest.approx(told["mean_ttft_ms"])
    assert sum(whole) / len(whole) * 1000 == pytest.approx(told["mean_e2el_ms"])
    assert sum(r.output_tokens or 0 for r in well) == told["total_output_tokens"]


def test_the_plateau_ends_when_users_are_missing() -> None:
    foreign = read(RECORDED / "vllm-cut.json")
    made = result(foreign)
    last = max(request.sent for request in foreign.requests)

    assert (made.load.mode, made.load.users, made.ramp) == ("closed", 4, None)
    assert made.plateau.end == pytest.approx(last)
    assert made.drain is not None
    assert sum(made.plateau.outcomes.values()) == 20
    assert made.verdict.valid
    assert made.verdict.users_reached == pytest.approx(4, rel=0.1)


def test_all_at_once_is_a_plateau_of_the_whole_run(tmp_path: Path) -> None:
    path = vllm_file(tmp_path, start_times=[100.0] * 20, queue_times=[0.0] * 20, duration=0.5)
    made = result(read(path))

    assert made.drain is None
    assert made.plateau.end == pytest.approx(0.5, abs=0.1)


def test_when_a_failed_request_ended_is_not_made_up() -> None:
    made = result(read(RECORDED / "vllm-refused.json"))

    assert made.plateau.outcomes[Outcome.HTTP_ERROR] == 4
    assert made.plateau.error_latency is None


def test_what_the_file_does_not_tell_is_not_made_up() -> None:
    made = result(read(RECORDED / "vllm-cut.json"), backend="vLLM")

    assert made.client == "vllm-bench"
    assert made.subject.url == "unknown"
    assert made.prompts.hash == ""
    assert (made.verdict.loop_lag_p99, made.verdict.client_cpu) == (None, None)
    assert (made.environment.host, made.environment.versions) == ("unknown", {})


def test_a_rate_is_an_open_loop_from_when_each_should_have_gone(tmp_path: Path) -> None:
    path = vllm_file(tmp_path, request_rate=10.0)
    foreign = read(path, "http://host:1")
    made = result(foreign)

    assert (made.load.mode, made.load.rate, made.load.users) == ("poisson", 10, None)
    assert made.subject.url == "http://host:1"
    assert all(r.intended is not None and r.intended <= r.sent for r in foreign.requests)
    assert made.verdict.send_lag_p99 is not None
    assert made.verdict.send_lag_p99 > 1
    assert any("late" in reason for reason in made.verdict.reasons)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"start_times": None}, "--save-detailed"),
        ({"ttfts": [0.1]}, "different lengths"),
        ({"max_concurrency": "many"}, "max_concurrency"),
        ({"endpoint_type": "openai-audio"}, "known is openai, openai-chat, vllm"),
        ({"ramp_up_strategy": "linear"}, "no such load here"),
        ({"burstiness": 0.5}, "no such load here"),
        ({"date": "yesterday"}, "20260131-235959"),
    ],
)
def test_another_file_is_told_in_one_line(
    changes: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(NotImportable) as told:
        read(vllm_file(tmp_path, **changes))

    assert says in str(told.value)
    assert "vllm.json" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", ["", "[]", "{}\n{}", "no JSON"])
def test_what_is_no_result_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "vllm.json"
    path.write_text(text)

    with pytest.raises(NotImportable, match=r"vllm\.json"):
        read(path)


@pytest.mark.parametrize(
    ("error", "any_chunk", "expected"),
    [
        ("", True, (Outcome.OK, 200)),
        ("", False, (Outcome.CUT, 200)),
        ("Never received a valid chunk to calculate TTFT.", False, (Outcome.CUT, 200)),
        ("Too Many Requests", False, (Outcome.HTTP_ERROR, 429)),
        ("Enhance Your Calm", False, (Outcome.HTTP_ERROR, None)),
        (
            "Traceback\naiohttp.client_exceptions.ClientConnectorError: no",
            False,
            (Outcome.UNREACHABLE, None),
        ),
        ("Traceback\nasyncio.exceptions.TimeoutError", True, (Outcome.TIMEOUT, None)),
        ("Traceback\nKeyError: 'choices'", True, (Outcome.IN_BAND_ERROR, None)),
        ("Traceback\nConnectionResetError: gone", True, (Outcome.CUT, None)),
        ("Traceback\nConnectionResetError: gone", False, (Outcome.UNREACHABLE, None)),
    ],
)
def test_how_a_request_ended_is_read_from_its_error(
    error: str, any_chunk: bool, expected: tuple[Outcome, int | None]
) -> None:
    assert outcome(error, any_chunk=any_chunk)[:2] == expected
