"""Files and batches over HTTP, as OpenAI's own client sees them."""

import json
import re
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.conftest import EchoFactory
from tests.contract.batch_client import (
    MAX_BYTES,
    answers,
    completed,
    create,
    ended,
    endless,
    request,
    upload,
)
from tests.contract.support import CHAT, Samples, assert_error
from tests.limits import DEADLINE
from tests.service_process import Service, eventually


def test_a_batch_is_answered_in_order_and_its_errors_apart(alice: openai.OpenAI) -> None:
    lines = [request(f"line-{number}") for number in range(20)]
    lines[3]["body"]["temperature"] = 5
    lines[7]["body"]["model"] = "other"
    made = create(alice, *lines, metadata={"kind": "test"})
    assert made.status == "validating"
    batch = ended(alice, made.id)
    counts = batch.request_counts
    assert (batch.status, counts.total, counts.completed, counts.failed) == ("completed", 20, 18, 2)
    assert batch.metadata == {"kind": "test"}
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
    good = answers(alice, batch.output_file_id)
    bad = answers(alice, batch.error_file_id)
    expected = [f"line-{number}" for number in range(20) if number not in (3, 7)]
    assert [answer["custom_id"] for answer in good] == expected
    assert {answer["response"]["body"]["object"] for answer in good} == {"chat.completion"}
    assert [
        (
            each["custom_id"],
            each["response"]["status_code"],
            each["response"]["body"]["error"]["code"],
        )
        for each in bad
    ] == [("line-3", 400, "invalid_value"), ("line-7", 404, "model_not_found")]
    assert [file.purpose for file in alice.files.list().data[:2]] == ["batch_output"] * 2
    with pytest.raises(openai.BadRequestError, match="has to be 'batch', not 'batch_output'"):
        alice.batches.create(
            input_file_id=batch.output_file_id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
        )


def test_bad_lines_are_named_before_anything_runs(
    batch_service: Service, alice: openai.OpenAI
) -> None:
    before = Samples(batch_service)["prompt_tokens_total"]
    other = {**request("b"), "url": "/v1/completions"}
    batch = ended(alice, create(alice, request("a"), other, request("a")).id)
    assert batch.status == "failed"
    assert [(each.line, each.param) for each in batch.errors.data] == [(2, "url"), (3, "custom_id")]
    assert batch.output_file_id is batch.error_file_id is None
    assert Samples(batch_service)["prompt_tokens_total"] == before


def test_other_requests_come_before_the_lines_of_a_batch(
    batch_service: Service, alice: openai.OpenAI, bob: openai.OpenAI
) -> None:
    batch = create(alice, *endless(200))

    def begun() -> bool:
        return completed(alice, batch.id) > 0

    eventually(begun, DEADLINE, "lines are answered")
    before = completed(alice, batch.id)
    for _ in range(3):
        bob.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "Hello"}], max_tokens=1
        )
    passed = completed(alice, batch.id) - before
    alice.batches.cancel(batch.id)
    assert passed < 30, "with one line for all, 30 of the batch would come before each request"
    cancelled = ended(alice, batch.id)
    assert cancelled.status == "cancelled"
    kept = answers(alice, cancelled.output_file_id)
    assert len(kept) == cancelled.request_counts.completed < 200
    with pytest.raises(openai.BadRequestError, match="it is cancelled"):
        alice.batches.cancel(batch.id)
    assert Samples(batch_service)["requests_running"] == 0


def test_files_and_batches_belong_to_the_name_of_their_key(
    batch_service: Service, alice: openai.OpenAI, bob: openai.OpenAI
) -> None:
    batch = create(alice, request("mine"))
    asks: list[Callable[[], object]] = [
        lambda: bob.files.retrieve(batch.input_file_id),
        lambda: bob.files.content(batch.input_file_id),
        lambda: bob.files.delete(batch.input_file_id),
        lambda: bob.batches.retrieve(batch.id),
        lambda: bob.batches.cancel(batch.id),
        lambda: bob.batches.create(
            input_file_id=batch.input_file_id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
        ),
    ]
    for ask in asks:
        with pytest.raises(openai.NotFoundError):
            ask()
    assert [*bob.files.list()] == [*bob.batches.list()] == []
    ended(alice, batch.id)
    text = batch_service.http.get("/metrics").text
    (used,) = re.findall(r'key_generated_tokens_total{.*key_name="alice".*} (.+)', text)
    assert float(used) >= 4


def test_files_are_listed_page_by_page_and_deleted(alice: openai.OpenAI) -> None:
    ids = [upload(alice, request("a")) for _ in range(3)]
    assert {*ids} <= {file.id for file in alice.files.list(limit=2)}
    file = alice.files.retrieve(ids[0])
    assert (file.filename, file.purpose, file.bytes) == (
        "mine.jsonl",
        "batch",
        len(json.dumps(request("a"))),
    )
    assert alice.files.delete(ids[0]).deleted
    with pytest.raises(openai.NotFoundError):
        alice.files.retrieve(ids[0])
    batch = create(alice, *endless(5))
    with pytest.raises(openai.BadRequestError, match="cancel it first"):
        alice.files.delete(batch.input_file_id)
    alice.batches.cancel(batch.id)
    ended(alice, batch.id)
    assert alice.files.delete(batch.input_file_id).deleted


FILE = {"file": ("a.jsonl", b"{}")}


@pytest.mark.parametrize(
    ("form", "status", "code", "param"),
    [
        ({"data": {"purpose": "batch"}}, 415, "unsupported_media_type", None),
        ({"json": {"purpose": "batch"}}, 415, "unsupported_media_type", None),
        ({"files": FILE}, 400, "invalid_value", "purpose"),
        ({"files": FILE, "data": {"purpose": "fine-tune"}}, 400, "invalid_value", "purpose"),
        ({"files": {"purpose": (None, "batch")}}, 400, "invalid_value", "file"),
        (
            {"files": FILE, "data": {"purpose": "batch", "expires_after[seconds]": "3600"}},
            400, "unsupported_parameter", "expires_after",
        ),
        (
            {"files": FILE, "data": {"purpose": "batch", "more": "1"}},
            400, "unknown_parameter", "more",
        ),
        ({"files": {"file": ("a", b"x" * MAX_BYTES)}}, 413, "request_too_large", None),
    ],
)  # fmt: skip
def test_an_upload_that_cannot_be_used_is_refused(
    batch_service: Service, form: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    headers = {"authorization": "Bearer alice-key"}
    response = batch_service.http.post("/v1/files", headers=headers, **form)
    assert_error(response, status, code, param)


def test_a_form_that_is_cut_is_refused(batch_service: Service) -> None:
    headers = {
        "authorization": "Bearer alice-key",
        "content-type": "multipart/form-data; boundary=x",
    }
    response = batch_service.http.post("/v1/files", headers=headers, content=b"--y\r\n")
    assert_error(response, 400, "invalid_value")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"completion_window": "1h"}, "completion_window"),
        ({"endpoint": "/v1/models"}, "endpoint"),
        ({"output_expires_after": {"seconds": 5}}, "output_expires_after"),
    ],
)
def test_a_batch_that_cannot_be_made_is_refused(
    batch_service: Service, fields: dict[str, Any], param: str
) -> None:
    headers = {"authorization": "Bearer alice-key"}
    body = {"input_file_id": "a", "endpoint": CHAT, "completion_window": "24h", **fields}
    response = batch_service.http.post("/v1/batches", headers=headers, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("path", "query", "code", "param"),
    [
        ("batches", "order=asc", "unknown_parameter", "order"),
        ("batches", "limit=0", "invalid_value", "limit"),
        ("batches", "limit=101", "invalid_value", "limit"),
        ("files", "limit=10001", "invalid_value", "limit"),
        ("files", "limit=many", "invalid_value", "limit"),
        ("batches", "after=nothing", "invalid_value", "after"),
    ],
)
def test_a_list_has_no_other_pages(
    batch_service: Service, path: str, query: str, code: str, param: str
) -> None:
    headers = {"authorization": "Bearer bob-key"}
    response = batch_service.http.get(f"/v1/{path}?{query}", headers=headers)
    assert_error(response, 400, code, param)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/files"), ("GET", "/v1/files/a/content"), ("POST", "/v1/batches/a/cancel")],
)
def test_without_a_folder_the_routes_say_so(
    echo_service: EchoFactory, method: str, path: str
) -> None:
    off = echo_service(engine_args={"itl": 0.002}, max_concurrency=1)
    assert "batch_dir" in assert_error(off.http.request(method, path), 404, "not_found")


def test_a_wrong_method_gets_all_right_ones(batch_service: Service) -> None:
    for path, allowed in (("/v1/files", "POST, GET, HEAD"), ("/v1/files/a", "GET, HEAD, DELETE")):
        response = batch_service.http.put(path)
        assert_error(response, 405, "method_not_allowed")
        assert response.headers["allow"] == allowed
