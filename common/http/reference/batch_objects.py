"""The JSON bodies of /v1/files and /v1/batches, for the API's reference."""

from typing import Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

Status = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling",
    "cancelled",
]  # fmt: skip


class FileForm(BaseModel):
    """The form of an upload."""

    file: str = Field(
        description="The file of requests, JSON lines.",
        json_schema_extra={"contentMediaType": "application/octet-stream"},
    )
    purpose: Literal["batch"] = Field(description="What the file is for.")


class FileObject(TypedDict):
    """`created_at` is in seconds since 1970."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    filename: str
    purpose: Literal["batch", "batch_output"]
    status: Literal["processed"]


class FileList(TypedDict):
    object: Literal["list"]
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(TypedDict):
    id: str
    object: Literal["file"]
    deleted: Literal[True]


class RequestCounts(TypedDict):
    total: int
    completed: int
    failed: int


class BatchFault(TypedDict):
    """`line` counts from 1; null is a fault of the whole file."""

    code: str
    line: int | None
    message: str
    param: str | None


class BatchFaults(TypedDict):
    object: Literal["list"]
    data: list[BatchFault]


class BatchObject(TypedDict):
    """Times are in seconds since 1970, null for a status that has not come."""

    id: str
    object: Literal["batch"]
    endpoint: str
    input_file_id: str
    completion_window: Literal["24h"]
    status: Status
    metadata: dict[str, str] | None
    errors: BatchFaults | None
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    expires_at: int
    expired_at: int | None
    request_counts: RequestCounts


class BatchList(TypedDict):
    object: Literal["list"]
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool
