import json
from pathlib import Path

import pytest

from benchmarks.imports.external_run import NotImportable
from benchmarks.imports.vllm import NOTES, outcome_of, read
from benchmarks.results.schema import Outcome
from tests.benchmarks.imports.support import RECORDED, outcomes, vllm_file


@pytest.mark.parametrize(
    ("name", "failed", "status"),
    [("cut", Outcome.CUT, None), ("refused", Outcome.HTTP_ERROR, 500)],
)
def test_failures_are_distinguished_by_the_texts_of_their_errors(
    name: str, failed: Outcome, status: int | None
) -> None:
    _, requests = read(RECORDED / f"vllm-{name}.json")

    assert outcomes(requests) == {Outcome.OK: 16, failed: 4}
    bad = [request for request in requests if request.outcome is failed]
    assert {request.status for request in bad} == {status}
    assert {request.output_tokens for request in bad} == {None}
    assert all(request.error and "\n" not in request.error for request in bad)


def test_what_the_tool_cannot_see_is_warned_of() -> None:
    imported, requests = read(RECORDED / "vllm-errors.json")

    assert outcomes(requests) == {Outcome.OK: 20}
    assert imported.notes == NOTES


def test_means_are_those_that_the_tool_printed() -> None:
    printed = json.loads((RECORDED / "vllm-refused.json").read_text())
    _, requests = read(RECORDED / "vllm-refused.json")
    well = [request for request in requests if request.outcome is Outcome.OK]
    first = [r.first_token - r.sent for r in well if r.first_token is not None]
    whole = [r.ended - r.sent for r in well]

    assert len(well) == printed["completed"]
    assert sum(first) / len(first) * 1000 == pytest.approx(printed["mean_ttft_ms"])
    assert sum(whole) / len(whole) * 1000 == pytest.approx(printed["mean_e2el_ms"])
    assert sum(r.output_tokens or 0 for r in well) == printed["total_output_tokens"]


def test_the_plateau_ends_when_users_are_missing() -> None:
    imported, requests = read(RECORDED / "vllm-cut.json")
    last = max(request.sent for request in requests)

    assert (imported.load.mode, imported.load.users, imported.ramp) == ("closed", 4, None)
    assert imported.plateau.end == pytest.approx(last)
    assert imported.drain is not None
    assert sum(imported.plateau.outcomes.values()) == 20
    assert imported.verdict.valid
    assert imported.verdict.users_reached == pytest.approx(4, rel=0.1)


def test_all_at_once_is_a_plateau_of_the_whole_run(tmp_path: Path) -> None:
    path = vllm_file(tmp_path, start_times=[100.0] * 20, queue_times=[0.0] * 20, duration=0.5)
    imported, _ = read(path)

    assert imported.drain is None
    assert imported.plateau.end == pytest.approx(0.5, abs=0.1)


def test_when_a_failed_request_ended_is_not_made_up() -> None:
    imported, _ = read(RECORDED / "vllm-refused.json")

    assert imported.plateau.outcomes[Outcome.HTTP_ERROR] == 4
    assert imported.plateau.error_latency is None


def test_what_the_file_does_not_have_is_not_made_up() -> None:
    imported, _ = read(RECORDED / "vllm-cut.json")

    assert imported.client == "vllm-bench"
    assert imported.subject.url == "http://unknown"
    assert imported.prompts.hash == ""
    assert (imported.verdict.loop_lag_p99, imported.verdict.client_cpu) == (None, None)
    assert (imported.environment.host, imported.environment.versions) == ("unknown", {})


def test_a_rate_is_an_open_loop_from_when_each_should_have_gone(tmp_path: Path) -> None:
    imported, requests = read(vllm_file(tmp_path, request_rate=10.0))

    assert (imported.load.mode, imported.load.rate, imported.load.users) == ("poisson", 10, None)
    assert all(r.intended is not None and r.intended <= r.sent for r in requests)
    assert imported.verdict.send_lag_p99 is not None
    assert imported.verdict.send_lag_p99 > 1
    assert any("late" in reason for reason in imported.verdict.reasons)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"start_times": None}, "--save-detailed"),
        ({"ttfts": [0.1]}, "different lengths"),
        ({"max_concurrency": "many"}, "max_concurrency"),
        ({"endpoint_type": "openai-audio"}, "'openai', 'openai-chat' or 'vllm'"),
        ({"ramp_up_strategy": "linear"}, "ramp_up_strategy: Input should be null"),
        ({"burstiness": 0.5}, "burstiness: Input should be"),
        ({"date": "yesterday"}, "%Y%m%d-%H%M%S"),
    ],
)
def test_another_file_is_refused_in_one_line(
    changes: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(NotImportable) as raised:
        read(vllm_file(tmp_path, **changes))

    assert says in str(raised.value)
    assert "vllm.json" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "[]", "{}\n{}", "no JSON"])
def test_what_is_no_result_is_refused(text: str, tmp_path: Path) -> None:
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
    assert outcome_of(error, any_chunk=any_chunk)[:2] == expected
