"""The response object: what was asked for, what came, and how many tokens it took."""

import time
import uuid
from typing import Any

from pydantic import BaseModel

from common.http.events import usage_of
from common.http.responses.schemas import ResponsesBody
from common.serving.job import Job

Object = dict[str, Any]


class ResponseObject:
    """Makes the object of one response in each of its states."""

    def __init__(self, model: str, job: Job, body: ResponsesBody) -> None:
        self._job = job
        self._constant: Object = {
            "id": f"resp_{uuid.uuid4().hex}",
            "object": "response",
            "created_at": int(time.time()),
            "model": model,
            **_settings(body),
            "temperature": job.sampling.temperature,
            "top_p": job.sampling.top_p,
        }

    def state(self, status: str, output: list[Object], **more: Any) -> Object:
        """Returns the object, with usage once it has ended."""
        ended = status in ("completed", "incomplete")
        return {
            **self._constant,
            "status": status,
            "output": output,
            "error": None,
            "incomplete_details": None,
            "usage": usage(self._job) if ended else None,
            **more,
        }


def usage(job: Job) -> Object:
    """Returns usage in the names of this route."""
    counts = usage_of(job)
    return {
        "input_tokens": counts["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": job.cached_tokens or 0,
            "cache_write_tokens": 0,
        },
        "output_tokens": counts["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": job.reasoning_tokens},
        "total_tokens": counts["total_tokens"],
    }


def _settings(body: ResponsesBody) -> Object:
    """Returns the settings of a request as its answer repeats them."""
    form = body.form and body.form.model_dump(by_alias=True, exclude_none=True)
    return {
        "background": False,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens or body.max_tokens,
        "max_tool_calls": body.max_tool_calls,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "prompt_cache_key": body.prompt_cache_key,
        "reasoning": {"effort": body.reasoning and body.reasoning.effort, "summary": None},
        "safety_identifier": body.safety_identifier,
        "service_tier": "default",
        "store": False,
        "text": {"format": form or {"type": "text"}, "verbosity": "medium"},
        "tool_choice": _choice(body.tool_choice),
        "tools": [_tool(tool.model_dump()) for tool in body.tools or ()],
        "top_logprobs": body.top_logprobs or 0,
        "truncation": body.truncation or "disabled",
        "user": body.user,
    }


def _choice(choice: Any) -> Any:
    return choice.model_dump() if isinstance(choice, BaseModel) else choice or "auto"


def _tool(tool: Object) -> Object:
    return {**tool, "strict": bool(tool["strict"])}
