"""Measured runs become replicas, GPUs and cost; what they do not cover is said."""

import json
import shlex
from pathlib import Path

import pytest

from benchmarks.load.spec import Limits
from benchmarks.results.files import write
from benchmarks.results.schema import Result
from benchmarks.sizing.__main__ import main
from benchmarks.sizing.capacity import Configuration, Objective, configurations
from benchmarks.sizing.plan import Load, plan
from tests.benchmarks.report.synthetic import result

USERS = (10, 50, 100)
TWO_GPUS = {"tensor_parallel_size": "2"}


def measured(*users: int, backend: str = "vllm", **fields: object) -> list[Result]:
    return [result(backend, each, noise=0, **fields) for each in users]  # type: ignore[arg-type]


def only(results: list[Result]) -> Configuration:
    (configuration,) = configurations(results)
    return configuration


def limit_between(configuration: Configuration, below: int, above: int) -> float:
    """Returns a time to the first token that one number of users keeps, and the other does not."""
    times = {
        level.users: level.phases[0].ttft.p95
        for level in configuration.levels
        if level.phases[0].ttft is not None
    }
    return (times[below] + times[above]) / 2


def test_the_highest_load_within_the_limits_is_what_a_replica_bears() -> None:
    configuration = only(measured(*USERS, settings=TWO_GPUS))
    objective = Objective(Limits(ttft=limit_between(configuration, 50, 100)))
    sizing = plan(configuration, Load(users=240), objective, spare=1, price_per_hour=2.5)
    assert sizing.capacity is not None
    assert (sizing.capacity.users, sizing.replicas, sizing.gpus) == (50, 6, 12)
    assert sizing.cost_per_hour == 30
    assert sizing.gaps == ()


def test_tokens_per_second_may_need_more_replicas_than_users_do() -> None:
    configuration = only(measured(*USERS))
    rate = configuration.levels[-1].tokens_per_second
    sizing = plan(configuration, Load(users=100, tokens_per_second=2.5 * rate), Objective())
    assert sizing.replicas == 3


def test_the_worst_repeat_counts() -> None:
    slow = result("vllm", 50, 1, noise=0, speed=200)
    configuration = only([*measured(*USERS), slow])
    objective = Objective(Limits(ttft=limit_between(only(measured(*USERS)), 50, 100)))
    capacity = configuration.capacity(objective)
    assert capacity is not None
    assert capacity.users == 10


@pytest.mark.parametrize(
    ("users", "ttft", "message"),
    [
        ((10, 50), None, "more than 50 users on one replica were not measured"),
        ((10, 50), 1e-6, "the least load measured, 10 users, is too much: p95 of TTFT, "),
        ((10, 100), "between", "nothing was measured between 10 users, which it bears, and 100"),
    ],
)
def test_what_the_runs_do_not_cover_is_said(
    users: tuple[int, int], ttft: float | str | None, message: str
) -> None:
    configuration = only(measured(*users))
    limit = limit_between(configuration, *users) if isinstance(ttft, str) else ttft
    sizing = plan(configuration, Load(users=20), Objective(Limits(ttft=limit)))
    (gap,) = sizing.gaps
    assert message in gap
    assert (sizing.replicas is None) == (limit == 1e-6)


def test_other_lengths_than_the_measured_ones_are_said() -> None:
    configuration = only(measured(10, 50, 100))
    objective = Objective(Limits(ttft=limit_between(configuration, 50, 100)))
    same = Load(50, None, round(configuration.prompt_tokens), round(configuration.answer_tokens))
    assert plan(configuration, same, objective).gaps == ()
    longer = Load(50, None, round(2 * configuration.prompt_tokens))
    (gap,) = plan(configuration, longer, objective).gaps
    assert "were not measured" in gap


def test_a_level_of_which_all_runs_are_void_is_left_out_and_named() -> None:
    void = [result("vllm", users, void=("the client was late",)) for users in (25, 50)]
    configuration = only([*measured(*USERS), *void])
    assert [level.users for level in configuration.levels] == [10, 50, 100]
    gaps = plan(configuration, Load(users=20), Objective()).gaps
    assert gaps[0] == "every run of 25 users is void and was left out: the client was late"
    assert not any("50 users is void" in gap for gap in gaps)


def test_void_runs_controls_and_failed_requests_bear_nothing() -> None:
    void = result("vllm", 10, void=("the client was the bottleneck",))
    assert configurations([void]) == []
    control = result("echo", 10)
    subject = control.subject.model_copy(update={"engine": "echo"})
    assert configurations([control.model_copy(update={"subject": subject})]) == []
    failing = only(measured(10, backend="transformers"))
    sizing = plan(failing, Load(users=5), Objective())
    assert sizing.replicas is None
    assert "requests failed" in sizing.gaps[0]


def with_subject(each: Result, **fields: object) -> Result:
    return each.model_copy(update={"subject": each.subject.model_copy(update=fields)})


def printed(folder: Path, results: list[Result], capsys: pytest.CaptureFixture[str]) -> str:
    for number, each in enumerate(results):
        write(folder / str(number), each, [])
    assert main([str(folder), "--users", "150", "--price", "2"]) == 0
    return capsys.readouterr().out


def test_the_command_prints_a_plan_for_each_configuration_with_its_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vllm = measured(*USERS, settings={"model": "org/name"})
    ray = measured(*USERS, backend="ray_serve", settings={"engine_args": '{"block_size": 32}'})
    text = printed(tmp_path, [*vllm, *ray], capsys)
    assert text.count("replicas: 2, GPUs: 2, cost: 4.00 per hour") == 2
    assert (
        "scripts/deploy vllm --arg model=org/name --arg max_concurrency=100 "
        "--set scaling.min_replicas=2 --set scaling.max_replicas=2"
    ) in text
    settings = '"settings": {"model": "org/name", "max_concurrency": 100}'
    assert f'{{"replicas": 2, "gpus": 1, {settings}}}' in text
    (line,) = [each for each in text.splitlines() if "Ray Serve:" in each]
    variables = dict(word.split("=", 1) for word in shlex.split(line)[2:-2])
    assert variables["MAX_CONCURRENCY"] == "200"
    assert json.loads(variables["ENGINE_ARGS"]) == {
        "block_size": 32,
        "num_replicas": 2,
        "deployment_config": {"max_ongoing_requests": 100},
    }


def test_an_endpoint_by_another_name_is_deployed_by_its_backend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned = [with_subject(each, backend="tuned", runs_before=0) for each in measured(*USERS)]
    unknown = [with_subject(each, backend="host:3000", engine=None) for each in measured(*USERS)]
    text = printed(tmp_path, [*tuned, *unknown], capsys)
    assert "scripts/deploy vllm --arg" in text
    assert "scripts/deploy BACKEND --arg" in text
    assert text.count("the runs do not say with which ones their service was started") == 1


def test_two_series_of_a_backend_are_two_plans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [with_subject(each, series=name) for name in ("a", "b") for each in measured(*USERS)]
    text = printed(tmp_path, runs, capsys)
    assert text.count("replicas: 2") == 2
    assert "vllm a made-up-8b" in text


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "soon"])
def test_a_limit_that_nothing_keeps_is_one_line(
    limit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--users", "1", "--ttft", limit])
    assert f"{limit} is no number of seconds above 0" in capsys.readouterr().err


def test_a_folder_without_runs_of_a_model_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "void", result("vllm", 10, void=("lag",)), [])
    assert main([str(tmp_path), "--users", "1"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no run of these folders")
