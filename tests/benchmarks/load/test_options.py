"""The command line and the JSON of a load, what is done before a run, and what is shown of it."""

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from benchmarks.load.measure import is_local
from benchmarks.load.options import WrongOption, parsed, words
from benchmarks.load.prepare import NotReady, reset_cache
from benchmarks.load.progress import WindowLines
from benchmarks.load.run import ProgressReport
from benchmarks.load.spec import Spec

EVERYTHING = {
    "url": "http://host:1",
    "model": "m",
    "protocol": "completions",
    "users": 7,
    "duration": 90.0,
    "ramp": 4.5,
    "warm_up": 3,
    "max_tokens": 20,
    "ignore_eos": True,
    "temperature": 0.5,
    "procs": 2,
    "seed": 20240601,
    "system_prompt": "@ is no file here",
    "prompts": {"source": "dolly", "min_words": 3, "tokenizer": "org/name", "count": 9},
    "limits": {"ttft": 0.5, "end_to_end": 12.0},
    "reset_cache": "/flush_cache",
    "price_per_hour": 2.5,
}


def spec(url: str = "http://host", **values: object) -> Spec:
    return Spec.model_validate({"url": url, "users": 2, "duration": 10, "window": 5} | values)


def test_an_option_that_is_left_out_has_the_default_of_its_field() -> None:
    _, load = parsed(["http://host"])
    assert load == Spec(url="http://host")
    assert (load.users, load.duration, load.ramp, load.warm_up) == (10, 300, 20, 0)
    assert parsed(["http://host", "--duration=6"])[1].ramp == 2
    assert parsed(["http://host", "--mode=constant", "--rate=2"])[1].ramp == 0


@pytest.mark.parametrize("given", ["http://host/v1", "http://host/v1/", "http://host/"])
def test_the_address_may_be_that_of_openais_clients(given: str) -> None:
    _, load = parsed([given, "--metrics-url=http://host:9/v1"])
    assert (load.url, load.metrics_url) == ("http://host", "http://host:9/v1")
    assert parsed(["http://host/models/v1"])[1].url == "http://host/models"


def test_the_help_describes_each_option_with_its_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parsed(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--timeout TIMEOUT of a request (600)" in text
    assert "--min-prompt-words MIN_PROMPT_WORDS shorter ones are left out" in text
    assert "Undefined" not in text
    assert "None" not in text


def test_a_load_becomes_the_command_that_makes_it_again() -> None:
    load = Spec.model_validate({**EVERYTHING, "system_prompt": "Be brief; now.", "ramp": 0})
    assert parsed(words(load))[1] == load


def test_a_load_is_read_from_a_file_and_options_go_before_it(tmp_path: Path) -> None:
    load = Spec.model_validate(EVERYTHING)
    file = tmp_path / "spec.json"
    file.write_text(load.model_dump_json())
    assert parsed([f"--spec={file}"])[1] == load
    changed = parsed([f"--spec={file}", "--users=3", "--ttft-limit=2"])[1]
    assert (changed.users, changed.limits.ttft, changed.limits.end_to_end) == (3, 2, 12)


def test_another_endpoint_than_that_of_the_file_has_other_metrics(tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(spec(pid=7, metrics_url="http://host/metrics").model_dump_json())
    same, other = parsed([f"--spec={file}"])[1], parsed([f"--spec={file}", "http://another"])[1]
    assert (same.url, same.pid, same.metrics_url) == ("http://host", 7, "http://host/metrics")
    assert (other.url, other.pid, other.metrics_url) == ("http://another", None, None)
    assert other.users == same.users


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is no JSON object"),
        ("{", "Expecting property name"),
        ("{}", "the following arguments are required: URL"),
        ('{"url": "http://host", "user": 1}', "user: is no field here (did you mean 'users'?)"),
        ('{"url": "http://host", "users": "1"}', "--users: Input should be a valid integer"),
        ('{"url": "http://host", "limits": {"ttft": 0}}', "--ttft-limit: Input should be greater"),
    ],
)
def test_a_file_that_is_no_load_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "spec.json"
    file.write_text(text)
    with pytest.raises(WrongOption) as caught:
        parsed([f"--spec={file}"])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_result_names_no_folder_and_no_process_of_this_machine() -> None:
    prompts = {"source": "/home/me/p.jsonl", "tokenizer": "/home/me/tokenizer"}
    kept = spec(prompts=prompts, pid=7).for_result("p.jsonl")
    assert "/home" not in kept.model_dump_json()
    assert (kept.prompts.source, kept.prompts.tokenizer) == ("p.jsonl", "tokenizer")
    assert kept.pid is None


def test_a_metrics_page_holds_no_password_either() -> None:
    with pytest.raises(ValidationError, match="has a user or a password"):
        spec(metrics_url="http://me:word@host/metrics")


async def test_the_endpoint_is_told_to_forget() -> None:
    paths: list[str] = []

    async def flush(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_post("/flush_cache", flush)
    async with TestServer(app) as server:
        url = str(server.make_url("/")).rstrip("/")
        await reset_cache(spec(url))
        assert paths == []
        await reset_cache(spec(url, reset_cache="/flush_cache"))
        assert paths == ["/flush_cache"]
        with pytest.raises(NotReady, match="/reset: 404; vLLM's is /reset_prefix_cache"):
            await reset_cache(spec(url, reset_cache="reset"))


@pytest.mark.parametrize("option", ["--ray=local", "--reset-cache=/flush_cache"])
def test_what_aiperf_does_not_do_is_refused(option: str) -> None:
    with pytest.raises(WrongOption, match="has no effect with --engine aiperf"):
        parsed(["http://host", "--engine=aiperf", option])


def report(chunks: int, failed: int = 0) -> ProgressReport:
    return ProgressReport(window=0, in_flight=1, chunks=chunks, succeeded=3, failed=failed)


def test_a_window_is_shown_when_every_process_has_reported_on_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show = WindowLines(spec(procs=2))
    show(report(40))
    assert capsys.readouterr().err == ""
    show(report(60, failed=1))
    assert capsys.readouterr().err == (
        "   5.0 s of 10: 2 in flight, 20 chunks/s, 6 answered, 1 failed\n"
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"])
def test_a_name_of_this_machine_has_its_gpus_sampled(host: str) -> None:
    assert is_local(f"http://{host}:3000")
    assert not is_local("http://10.0.0.5:3000")


def test_an_address_as_openais_clients_take_it_is_the_servers() -> None:
    for url in ("http://host:1/v1", "http://host:1/v1/"):
        assert parsed([url])[1].url == "http://host:1"
