"""Files and batches as OpenAI's API shows them."""

from dataclasses import asdict
from typing import Any

from common.batches.store import Batch, StoredFile

TIMES = (
    "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled",
)  # fmt: skip
"""Statuses of which a batch tells when it came to them."""


def file_object(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
    }


def batch_object(batch: Batch) -> dict[str, Any]:
    shown = ("id", "endpoint", "input_file_id", "status", "created_at", "metadata")
    values = asdict(batch)
    return {
        **{name: values[name] for name in shown},
        "object": "batch",
        "completion_window": "24h",
        "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        **{f"{name}_at": batch.times.get(name) for name in TIMES},
        "expires_at": batch.expires_at,
        "request_counts": {
            "total": batch.total,
            "completed": batch.completed,
            "failed": batch.failed,
        },
    }
