"""POST /v1/messages and /v1/messages/count_tokens."""

from common.errors import ServiceError
from common.http.anthropic.frames import MessageFrames
from common.http.anthropic.schemas import CountTokensBody, MessagesBody
from common.http.anthropic.translation import NAMES, chat_body
from common.http.body import read_body
from common.http.exchange import Exchange
from common.http.openai import chat_job, chat_prompt
from common.http.renaming import renamed
from common.http.responding import respond
from common.http.runtime import Runtime


async def messages(exchange: Exchange, runtime: Runtime) -> str | None:
    """Returns the finish reason of the answer."""
    body = await read_body(exchange, MessagesBody, runtime.bodies)
    exchange.adapter = runtime.adapter(body.model)
    try:
        chat = await exchange.apart(chat_body, body)
        job, tools = await chat_job(exchange, chat, runtime)
    except ServiceError as error:
        raise renamed(error, NAMES) from None
    frames = MessageFrames(runtime.name(exchange.adapter), job, tools.parser())
    return await respond(exchange, runtime, job, frames, stream=bool(body.stream))


async def count_tokens(exchange: Exchange, runtime: Runtime) -> None:
    body = await read_body(exchange, CountTokensBody, runtime.bodies)
    exchange.adapter = runtime.adapter(body.model)
    try:
        chat = await exchange.apart(chat_body, body)
        prompt, _ = await exchange.apart(chat_prompt, chat, runtime)
        ids = await runtime.tokenizer.encode(prompt.text, add_special_tokens=False)
        ids, _ = await runtime.with_images(chat.messages, prompt.text, ids)
    except ServiceError as error:
        raise renamed(error, NAMES) from None
    await exchange.respond_json({"input_tokens": len(ids)})
