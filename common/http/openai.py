"""POST /v1/chat/completions and /v1/completions."""

from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from common.errors import InvalidValue, ServiceError, UnsupportedParameter
from common.http.body import read_body
from common.http.exchange import Exchange
from common.http.frames import DONE, ChatFrames, CompletionFrames, event
from common.http.messages import NamedTool, for_template, tools_for_template
from common.http.runtime import Runtime
from common.http.schemas import ChatBody, CompletionBody, OpenAIFields
from common.serving.answer import Delta
from common.serving.job import Job
from common.text.tool_calls import FORCED_START


class Frames(Protocol):
    def first(self) -> bytes: ...
    def delta(self, delta: Delta) -> bytes: ...
    def last(self) -> bytes: ...
    def response(self, deltas: list[Delta]) -> dict[str, Any]: ...


async def chat_completions(exchange: Exchange, runtime: Runtime) -> str | None:
    """Returns the finish reason of the first answer."""
    body = await read_body(exchange, ChatBody, runtime.settings.max_body_bytes)
    runtime.check_model(body.model)
    tools, schema = _tools(body, runtime)
    text = runtime.prompts.render(
        for_template(body.messages), tools=tools, arguments=body.chat_template_kwargs
    )
    ids = await runtime.prompts.from_rendered(text)
    if schema is not None and runtime.tool_format is not None:
        start = FORCED_START[runtime.tool_format]
        ids += await runtime.tokenizer.encode(start, add_special_tokens=False)
    if body.top_logprobs and not body.logprobs:
        raise InvalidValue("top_logprobs needs logprobs to be true", param="top_logprobs")
    runtime.capabilities.check("logprobs", True if body.logprobs else None)
    runtime.capabilities.check("top_logprobs", body.top_logprobs or 0)
    sampling = runtime.parameters.sampling(
        body,
        [ids],
        max_tokens=body.max_completion_tokens or body.max_tokens,
        max_tokens_field="max_completion_tokens" if body.max_completion_tokens else "max_tokens",
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        json_schema=schema,
        prompt_field="messages",
    )
    job = Job(exchange.request_id, [ids], sampling, body.n or 1, body.stop or ())
    form = None if not tools else "llama3_json" if schema is not None else runtime.tool_format
    frames = ChatFrames(runtime.model.served_name, job, runtime.tokenizer, form)
    return await _respond(exchange, runtime, job, frames, body)


async def completions(exchange: Exchange, runtime: Runtime) -> str | None:
    """Returns the finish reason of the first answer."""
    body = await read_body(exchange, CompletionBody, runtime.settings.max_body_bytes)
    runtime.check_model(body.model)
    prompts = await _prompts(body, runtime)
    if body.echo and body.logprobs is not None:
        raise UnsupportedParameter(
            "echo together with logprobs is not supported: no log-probabilities of the prompt's "
            "tokens are computed",
            param="echo",
        )
    runtime.capabilities.check("logprobs", body.logprobs)
    runtime.capabilities.check("top_logprobs", body.logprobs or 0)
    sampling = runtime.parameters.sampling(
        body, prompts, max_tokens=body.max_tokens, logprobs=body.logprobs
    )
    job = Job(exchange.request_id, prompts, sampling, body.n or 1, body.stop or ())
    echoes = None
    if body.echo:
        decode = runtime.tokenizer.decode
        echoes = [decode(ids, skip_special_tokens=True) for ids in prompts]
    frames = CompletionFrames(runtime.model.served_name, job, runtime.tokenizer, echoes)
    return await _respond(exchange, runtime, job, frames, body)


async def _respond(
    exchange: Exchange, runtime: Runtime, job: Job, frames: Frames, body: OpenAIFields
) -> str | None:
    """Returns the finish reason of the first answer."""
    if body.stream_options is not None and not body.stream:
        raise InvalidValue("stream_options needs stream to be true", param="stream_options")
    if body.stream:
        include_usage = body.stream_options is not None and body.stream_options.include_usage
        work = _stream(exchange, runtime, job, frames, include_usage)
    else:
        work = _send_at_once(exchange, runtime, job, frames)
    try:
        await exchange.run(work, runtime.generations)
    except ServiceError as error:
        if exchange.started:
            # Without [DONE] it cannot be taken for a finished answer.
            await exchange.write(event(error.body(exchange.request_id)))
            await exchange.end()
        raise
    return job.answers[0].finish_reason


async def _stream(
    exchange: Exchange, runtime: Runtime, job: Job, frames: Frames, include_usage: bool
) -> None:
    async with runtime.pipeline.stream(job) as (first, deltas):
        await exchange.start_stream()
        frame, send = frames.delta, exchange.send
        await exchange.write(frames.first() + frame(first))
        async for delta in deltas:
            data = frame(delta)
            if data:
                await send({"type": "http.response.body", "body": data, "more_body": True})
    await exchange.write(frames.last() + DONE if include_usage else DONE)
    await exchange.end()


async def _send_at_once(exchange: Exchange, runtime: Runtime, job: Job, frames: Frames) -> None:
    async with runtime.pipeline.stream(job) as (first, deltas):
        collected = [first, *[delta async for delta in deltas]]
    await exchange.respond(200, orjson.dumps(frames.response(collected)))


async def _prompts(body: CompletionBody, runtime: Runtime) -> list[list[int]]:
    """Text is tokenized; a single prompt becomes a list of one."""
    prompt: Any = body.prompt
    if isinstance(prompt, str) or (prompt and isinstance(prompt[0], int)):
        prompt = [prompt]
    if not prompt:
        raise InvalidValue("prompt must not be empty", param="prompt")
    if len(prompt) > runtime.settings.max_concurrency:
        raise InvalidValue(
            f"prompt has {len(prompt)} entries; "
            f"allowed are at most {runtime.settings.max_concurrency}",
            param="prompt",
        )
    if isinstance(prompt[0], str):
        return await runtime.prompts.from_texts(prompt)
    return list(prompt)


def _tools(
    body: ChatBody, runtime: Runtime
) -> tuple[list[dict[str, Any]], Mapping[str, Any] | None]:
    """Returns the tools to show to the model, and a schema when it is made to call one of them."""
    choice = body.tool_choice
    if not body.tools:
        if choice is not None and choice != "none":
            raise InvalidValue("tool_choice needs tools", param="tool_choice")
        return [], None
    if choice == "none":
        return [], None
    runtime.capabilities.check("tools", body.tools)
    tools = tools_for_template(body.tools)
    if choice is None or choice == "auto":
        return tools, None
    runtime.capabilities.check("tool_choice", choice)
    if body.response_format is not None and body.response_format.type != "text":
        raise InvalidValue(
            "response_format cannot be used with a tool_choice that makes the model call a tool",
            param="response_format",
        )
    callable_tools = tools
    if isinstance(choice, NamedTool):
        name = choice.function.name
        callable_tools = [tool for tool in tools if tool["function"]["name"] == name]
        if not callable_tools:
            raise InvalidValue(f"tool_choice names {name!r}, no tool", param="tool_choice")
    return tools, {"anyOf": [_call_schema(tool["function"]) for tool in callable_tools]}


def _call_schema(function: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {"const": function["name"]},
            "arguments": function.get("parameters") or {"type": "object"},
        },
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
