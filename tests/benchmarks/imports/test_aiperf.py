import json
from pathlib import Path

import pytest

from benchmarks.imports.aiperf import NO_USAGE, read
from benchmarks.imports.external_run import NotImportable
from benchmarks.results.schema import Outcome
from tests.benchmarks.imports.support import RECORDED, aiperf_folder, change_summary, outcomes


def test_an_answer_with_an_error_inside_counts_as_failed_though_aiperf_says_otherwise() -> None:
    summary = json.loads((RECORDED / "aiperf-error/profile_export_aiperf.json").read_text())
    _, requests = read(RECORDED / "aiperf-error")

    assert summary["request_count"]["avg"] == 75
    assert summary["error_summary"] == []
    assert outcomes(requests) == {Outcome.OK: 60, Outcome.IN_BAND_ERROR: 15}
    assert {r.error for r in requests if r.outcome is Outcome.IN_BAND_ERROR} == {NO_USAGE}


@pytest.mark.parametrize(
    ("name", "expected", "status"),
    [("cut", Outcome.CUT, None), ("refused", Outcome.HTTP_ERROR, 500)],
)
def test_requests_that_aiperf_saw_fail_keep_how(
    name: str, expected: Outcome, status: int | None
) -> None:
    _, requests = read(RECORDED / f"aiperf-{name}")
    failed = [request for request in requests if request.outcome is not Outcome.OK]

    assert failed
    assert {(request.outcome, request.status) for request in failed} == {(expected, status)}
    assert all(request.error for request in failed)


def test_times_and_tokens_are_those_of_the_server() -> None:
    _, requests = read(RECORDED / "aiperf-error")
    whole = [request for request in requests if request.outcome is Outcome.OK]

    assert {(r.output_tokens, r.chunks, r.tokens_from) for r in whole} == {(16, 16, "usage")}
    assert {r.prompt_tokens for r in whole} == {7}
    for request in whole:
        assert request.first_token is not None
        assert request.last_token is not None
        assert 0.1 <= request.first_token - request.sent < 0.2
        assert request.last_token - request.first_token == pytest.approx(0.3, abs=0.05)
        assert request.ended == pytest.approx(request.last_token, abs=0.01)


def test_the_load_is_what_aiperf_was_asked_for() -> None:
    imported, _ = read(RECORDED / "aiperf-error")

    assert imported.client == "aiperf"
    assert (imported.load.mode, imported.load.users, imported.load.ramp) == ("closed", 4, 2)
    assert (imported.load.duration, imported.load.window, imported.load.max_tokens) == (8, 2, 16)
    assert imported.load.protocol == "chat"
    assert (imported.subject.backend, imported.subject.model) == ("unknown", "truth")
    assert imported.subject.url == "http://127.0.0.1:18611"
    assert imported.environment.versions == {"aiperf": "0.13.0"}
    assert imported.prompts.source == "single.jsonl"
    assert imported.started_at.startswith("2026-11-26T16:12:59.7")


def test_the_ramp_is_apart_and_the_plateau_has_all_users() -> None:
    imported, _ = read(RECORDED / "aiperf-error")

    assert imported.ramp is not None
    assert (imported.ramp.start, imported.ramp.end) == (0, 2)
    assert (imported.plateau.start, imported.plateau.end) == (2, 8)
    assert imported.verdict.valid
    assert imported.verdict.users_reached == pytest.approx(4, rel=0.1)
    assert imported.verdict.loop_lag_p99 is None
    assert imported.plateau.outcomes == {Outcome.OK: 50, Outcome.IN_BAND_ERROR: 12}


def test_windows_add_up_to_all_tokens() -> None:
    imported, requests = read(RECORDED / "aiperf-error")

    arrived = sum(r.output_tokens or r.chunks for r in requests)
    assert arrived == 60 * 16 + 15 * 8
    assert sum(window.tokens for window in imported.windows) == pytest.approx(arrived)


def test_an_open_loop_counts_from_when_a_request_should_have_gone() -> None:
    imported, requests = read(RECORDED / "aiperf-rate")

    assert (imported.load.mode, imported.load.rate, imported.load.users) == ("poisson", 8, None)
    assert imported.load.protocol == "completions"
    assert all(r.intended is not None and r.intended < r.sent for r in requests)
    assert imported.verdict.send_lag_p99 is not None
    assert 0 < imported.verdict.send_lag_p99 < 0.05


def test_the_warm_up_is_left_out() -> None:
    lines = (RECORDED / "aiperf-rate/profile_export.jsonl").read_text().splitlines()
    phases = [json.loads(line)["metadata"]["benchmark_phase"] for line in lines]

    assert phases.count("warmup") == 3
    assert len(read(RECORDED / "aiperf-rate")[1]) == phases.count("profiling")


def test_a_chunk_of_several_tokens_is_counted() -> None:
    assert read(RECORDED / "aiperf-rate")[0].plateau.tokens_per_chunk == 4


def test_a_run_whose_last_requests_aiperf_left_out_is_void() -> None:
    verdict = read(RECORDED / "aiperf-grace")[0].verdict

    assert not verdict.valid
    assert verdict.reasons == ("only 2.7 of 4 users were in flight",)


def test_a_cancelled_run_is_void(tmp_path: Path) -> None:
    folder = aiperf_folder(tmp_path)
    change_summary(folder, "was_cancelled", value=True)

    assert read(folder)[0].verdict.reasons == ("it was interrupted",)


def test_where_failures_have_no_end_there_is_no_latency_of_errors() -> None:
    refused, cut = (read(RECORDED / f"aiperf-{name}")[0] for name in ("refused", "cut"))

    assert refused.ramp is not None
    assert cut.ramp is not None
    assert refused.ramp.error_latency is None
    assert cut.ramp.error_latency is not None
    assert cut.ramp.error_latency.min > 0.2


def test_without_usage_nothing_can_be_judged(tmp_path: Path) -> None:
    folder = aiperf_folder(tmp_path)
    path = folder / "profile_export.jsonl"
    path.write_text(path.read_text().replace("usage_completion_tokens", "something"))

    with pytest.raises(NotImportable, match="--use-server-token-count"):
        read(folder)


def test_a_run_of_failures_only_has_no_summary(tmp_path: Path) -> None:
    folder = aiperf_folder(tmp_path)
    (folder / "profile_export_aiperf.json").unlink()

    with pytest.raises(NotImportable, match="none where every request failed"):
        read(folder)


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (
            ("input_config", "endpoint", "streaming"),
            False,
            "endpoint.streaming: Input should be True",
        ),
        (("input_config", "endpoint", "type"), "embeddings", "should be 'chat' or 'completions'"),
        (("input_config", "phases"), [], "it has 0 profiling phases"),
        (("input_config", "phases", "0", "type"), "gamma", "mode: Input should be"),
        (("input_config", "models", "items"), [], "models.items"),
        (("input_config", "phases", "0", "concurrency"), None, "takes users and not rate"),
        (("aiperf_version",), None, "aiperf_version"),
    ],
)
def test_a_summary_of_something_else_is_refused_in_one_line(
    where: tuple[str, ...], value: object, says: str, tmp_path: Path
) -> None:
    folder = aiperf_folder(tmp_path)
    change_summary(folder, *where, value=value)

    with pytest.raises(NotImportable) as raised:
        read(folder)

    assert says in str(raised.value)
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_bad_record_is_named_by_its_line(tmp_path: Path) -> None:
    folder = aiperf_folder(tmp_path)
    path = folder / "profile_export.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = '{"metadata": {}}'
    path.write_text("\n".join(lines))

    with pytest.raises(NotImportable, match=r"line 3: metadata\.session_num"):
        read(folder)
