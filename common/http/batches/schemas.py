"""The body of POST /v1/batches."""

from typing import Annotated, Literal

from pydantic import Field

from common.http.accepted import refused
from common.http.strict import Strict

MAX_FILES, MAX_BATCHES = 10_000, 100
"""Most entries of a list that are sent at once, as in OpenAI's API."""
MetadataName = Annotated[str, Field(max_length=64)]
MetadataValue = Annotated[str, Field(max_length=512)]
Endpoint = Literal[
    "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/responses"
]


class BatchBody(Strict):
    accepted = {"output_expires_after": refused("files stay until they are deleted")}

    input_file_id: str = Field(max_length=200)
    """The file of requests, which was uploaded before."""
    endpoint: Endpoint
    """The route that every line of the file names."""
    completion_window: Literal["24h"]
    """OpenAI's only value. What has no answer by then ends with the error `batch_expired`."""
    metadata: dict[MetadataName, MetadataValue] | None = Field(None, max_length=16)
    """Comes back with the batch."""
