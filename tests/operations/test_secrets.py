"""No log, trace, error, file or list of processes tells a key, a token or a password."""

from collections.abc import Iterator

import psutil
import pytest

from tests.contract.support import CHAT, GENERATE, MARKER, body_for
from tests.contract.test_secrets import command_lines
from tests.operations.collector import Collector, attributes, running_collector
from tests.refusals import refusal
from tests.service_process import Service, eventually, start_service

KEY, FILE_KEY, WRONG = "key-of-the-setting", "key-of-the-file", "key-that-is-wrong"
HUB, EXPORT, PASSWORD = "hf_TokenOfTheHubXyz12345", "token-of-the-collector", "pass-of-the-url"
SECRETS = (KEY, FILE_KEY, WRONG, HUB, EXPORT, PASSWORD, MARKER)
VARIABLES = {
    "HF_TOKEN": HUB,
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{EXPORT}",
    "OTEL_BSP_SCHEDULE_DELAY": "200",
    "BENTOML_DEBUG": "true",
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
def service(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Fails in the middle of each answer: what goes wrong says the most."""
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.write_text(f'[alice]\nkey = "{FILE_KEY}"\n', "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        started = start_service(
            "echo",
            api_keys=KEY,
            api_keys_file=keys,
            otlp_endpoint=collector.url.replace("//", f"//me:{PASSWORD}@"),
            engine_args={"failure": "midstream"},
        )
    with started:
        yield started


def answers(service: Service) -> dict[str, str]:
    """Returns what clients with each of the keys are told, without the text that they asked for."""
    told = {}
    for key in (KEY, FILE_KEY, WRONG):
        headers = {"authorization": f"Bearer {key}"}
        for path in (CHAT, GENERATE):
            body, url = body_for(path, MARKER, max_tokens=8), f"{path}?api_key={WRONG}"
            with service.http.stream("POST", url, json=body, headers=headers) as response:
                text = "" if response.status_code == 200 else response.read().decode()
                told[f"{path} {key}"] = f"{response.status_code} {response.headers} {text}"
        for path in ("/metrics", "/v1/models", f"/v1/models/{WRONG}", "/version", "/openapi.json"):
            told[f"{path} {key}"] = service.http.get(path, headers=headers).text
    return told


def test_no_secret_is_told_by_anything(service: Service, collector: Collector) -> None:
    told = answers(service)
    assert {text[:3] for path, text in told.items() if path.startswith(GENERATE)} == {"200", "401"}
    eventually(lambda: len(collector.spans) >= 4, 60, "the spans of four requests")
    told |= {
        "the traces": str([attributes(span.attributes) for span in collector.spans]),
        "their events": str([span.events for span in collector.spans]),
        "their resources": str(collector.resources),
        "the command lines": command_lines(service),
        "the log": service.log_text(),
    }
    assert "the echo failed as it was told to" in told["the log"]
    for name, text in told.items():
        assert [secret for secret in SECRETS if secret in text] == [], name


@pytest.mark.parametrize("backend", ["echo", "tgi"])
def test_no_process_that_a_service_starts_inherits_a_secret(backend: str) -> None:
    endpoint = f"http://me:{PASSWORD}@127.0.0.1:9"
    with start_service(backend, api_keys=KEY, otlp_endpoint=endpoint) as service:
        environments = inherited(service)
    assert environments
    for name, environment in environments.items():
        assert [secret for secret in (KEY, PASSWORD) if secret in environment] == [], name


def inherited(service: Service) -> dict[str, str]:
    """Returns the environment of all that the worker, which the supervisor starts, has started."""
    workers = psutil.Process(service.process.pid).children()
    started = [each for worker in workers for each in worker.children(recursive=True)]
    return {f"{each.pid} {each.cmdline()}": str(each.environ()) for each in started}


def test_a_key_in_a_command_line_stops_the_start() -> None:
    line = refusal("echo", arguments=(f"api_keys={KEY}",))
    assert line == (
        "error: setting 'api_keys' is a secret and cannot stand in a command line, which every "
        "user of the machine can read; set API_KEYS where the bento runs"
    )


def test_no_file_of_a_service_has_a_secret(service: Service) -> None:
    files = [file for file in service.log.parent.rglob("*") if file.is_file()]
    assert service.log in files
    for file in files:
        content = file.read_text("utf-8", "replace")
        assert [secret for secret in SECRETS if secret in content] == [], file


def test_a_collector_that_is_gone_is_not_named_with_its_password() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        started = start_service("echo", otlp_endpoint=f"http://me:{PASSWORD}@127.0.0.1:9")
    with started as service:
        headers = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
        service.http.post(GENERATE, json={"prompt": "a", "max_tokens": 2}, headers=headers)
        eventually(lambda: "xport" in service.log_text(), 60, "the failure in the log")
    assert PASSWORD not in service.log_text()
