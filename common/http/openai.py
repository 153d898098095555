"""POST /v1/chat/completions and /v1/completions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from common.errors import InvalidValue, UnsupportedParameter
from common.http.body import read_body
from common.http.chat_frames import ChatFrames
from common.http.completion_frames import CompletionFrames
from common.http.conversation import render
from common.http.exchange import Exchange
from common.http.parameters import has_wrapped_choice
from common.http.responding import respond
from common.http.runtime import Runtime
from common.http.schemas import ChatBody, CompletionBody, OpenAIFields, StreamOptions
from common.http.tools import ToolUse, tool_use
from common.sampling import Sampling
from common.serving.job import Job
from common.text.prompts import Rendered


async def chat_completions(exchange: Exchange, runtime: Runtime) -> str | None:
    """Returns the finish reason of the first answer."""
    body = await read_body(exchange, ChatBody, runtime.bodies)
    exchange.adapter = runtime.adapter(body.model)
    job, tools = await chat_job(exchange, body, runtime)
    frames = ChatFrames(
        runtime.name(exchange.adapter),
        job,
        runtime.tokenizer,
        tools.parser,
        body,
        runtime.reasoning_names,
    )
    return await respond(exchange, runtime, job, frames, stream=_streams(body))


def chat_prompt(body: ChatBody, runtime: Runtime) -> tuple[Rendered, ToolUse]:
    """Returns the text of a conversation and what becomes of its tools. Raises RequestError."""
    runtime.check_images(body.messages, cut=body.truncate_prompt_tokens is not None)
    tools = tool_use(body, runtime)
    form = runtime.unreasoned_form(body, tools.grammar)
    return render(body.messages, body, runtime.prompts, tools.shown, form), tools


async def chat_job(exchange: Exchange, body: ChatBody, runtime: Runtime) -> tuple[Job, ToolUse]:
    """Returns the work that answers a conversation, and its tools. Raises RequestError."""
    prompt, tools = await exchange.apart(chat_prompt, body, runtime)
    special = bool(body.add_special_tokens)
    thinking = prompt.thinking
    if thinking is not None and tools.expected is not None:
        thinking = replace(thinking, calls=True)
    ids = await runtime.prompts.from_rendered(
        prompt.text,
        add_special_tokens=special,
        last=body.last_tokens(
            runtime.model.max_model_len, body.max_completion_tokens or body.max_tokens
        ),
    )
    ids, images = await runtime.with_images(body.messages, prompt.text, ids, special)
    if body.top_logprobs and not body.logprobs:
        raise InvalidValue("top_logprobs needs logprobs to be true", param="top_logprobs")
    runtime.capabilities.check("logprobs", True if body.logprobs else None)
    runtime.capabilities.check("top_logprobs", body.top_logprobs or 0)
    runtime.capabilities.check("prompt_logprobs", body.prompt_logprobs)
    sampling = runtime.parameters.sampling(
        body,
        [ids],
        max_tokens=body.max_completion_tokens or body.max_tokens,
        max_tokens_field="max_completion_tokens" if body.max_completion_tokens else "max_tokens",
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        prompt_logprobs=body.prompt_logprobs,
        calls=tools.grammar,
        thinking=thinking,
        prompt_field="messages",
    )
    job = _job(exchange, body, [ids], sampling)
    job.thinking, job.images = thinking, images
    job.hidden = None if tools.expected is None else tools.hidden
    return job, tools


async def completions(exchange: Exchange, runtime: Runtime) -> str | None:
    """Returns the finish reason of the first answer."""
    body = await read_body(exchange, CompletionBody, runtime.bodies)
    exchange.adapter = runtime.adapter(body.model)
    prompts = await _prompts(body, runtime)
    runtime.capabilities.check("logprobs", body.logprobs)
    runtime.capabilities.check("top_logprobs", body.logprobs or 0)
    runtime.capabilities.check("prompt_logprobs", body.prompt_logprobs)
    echoed = _logprobs_of_echo(body, runtime)
    sampling = runtime.parameters.sampling(
        body,
        prompts,
        max_tokens=body.max_tokens,
        logprobs=body.logprobs,
        prompt_logprobs=max((body.prompt_logprobs, echoed), key=lambda n: -1 if n is None else n),
    )
    job = _job(exchange, body, prompts, sampling)
    echoes = None
    if body.echo:
        decode = runtime.tokenizer.decode
        echoes = [decode(ids, skip_special_tokens=body.skip_special_tokens) for ids in prompts]
    frames = CompletionFrames(runtime.name(exchange.adapter), job, runtime.tokenizer, echoes, body)
    return await respond(exchange, runtime, job, frames, stream=_streams(body))


def _job(
    exchange: Exchange, body: OpenAIFields, prompts: Sequence[Sequence[int]], sampling: Sampling
) -> Job:
    """Returns the work; the request's id may stand in its body, too."""
    if body.request_id is not None and exchange.header(b"x-request-id") is None:
        exchange.request_id = body.request_id
    shown = body.shown._replace(json_value=has_wrapped_choice(body, sampling))
    job = Job(exchange.request_id, prompts, sampling, body.n or 1, body.stop or (), shown)
    job.account, job.background = exchange.account, exchange.of_batch
    job.adapter = exchange.adapter
    return job


def _streams(body: OpenAIFields) -> bool:
    """Returns whether the answer is a stream. Raises InvalidValue for options of none."""
    if body.stream_options not in (None, StreamOptions()) and not body.stream:
        raise InvalidValue("stream_options needs stream to be true", param="stream_options")
    return bool(body.stream)


def _logprobs_of_echo(body: CompletionBody, runtime: Runtime) -> int | None:
    """Returns how many alternatives an echo tells. Raises UnsupportedParameter."""
    if not body.echo or body.logprobs is None:
        return None
    reason = runtime.capabilities.unsupported.get("prompt_logprobs")
    if reason is not None:
        raise UnsupportedParameter(
            "echo together with logprobs is not supported by the "
            f"{runtime.capabilities.backend} backend: {reason}",
            param="echo",
        )
    return body.logprobs


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
    last = body.last_tokens(runtime.model.max_model_len, body.max_tokens)
    if isinstance(prompt[0], str):
        return await runtime.prompts.from_texts(
            prompt, add_special_tokens=body.add_special_tokens is not False, last=last
        )
    return [list(ids) if last is None else ids[-last:] for ids in prompt]
