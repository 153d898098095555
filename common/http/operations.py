"""Health, metrics, models, tokens, cancelling and pages."""

from contextlib import suppress
from typing import Any

from prometheus_client.exposition import choose_encoder

from common.errors import Cancelled, EngineDead, InvalidValue, NotFound
from common.http.body import read_body
from common.http.exchange import ASGIApp, ASGIMessage, Exchange
from common.http.messages import for_template, tools_for_template
from common.http.runtime import Runtime
from common.http.schemas import DetokenizeBody, TokenizeBody
from common.serving.lifecycle import Lifecycle


async def alive(exchange: Exchange, lifecycle: Lifecycle) -> None:
    """GET /livez answers 200 while the process can recover by itself; `reason` says from what."""
    health = await lifecycle.check_alive()
    body = {"status": "alive"}
    if health is not None and health.reason:
        body["reason"] = health.reason
    await exchange.respond_json(body)


async def ready(exchange: Exchange, lifecycle: Lifecycle) -> None:
    """GET /readyz and /healthz answer 200 only when a forward pass has worked lately."""
    await lifecycle.check_ready()
    phases = {name: round(seconds, 3) for name, seconds in lifecycle.phases.seconds.items()}
    await exchange.respond_json({"status": "ready", "start_seconds": phases})


async def metrics(exchange: Exchange, runtime: Runtime) -> None:
    """GET /metrics answers with our series, then the engine's own, unchanged, once it has started.

    Clients that accept OpenMetrics get exemplars, unless the engine adds text of its own.
    """
    lifecycle = runtime.pipeline.lifecycle
    runtime.metrics.kv_cache_usage = None
    with suppress(EngineDead):
        health = await lifecycle.check_alive()
        runtime.metrics.kv_cache_usage = health.kv_cache_usage if health is not None else None
    engine = (await runtime.engine.metrics()).encode() if lifecycle.started else b""
    accept = "" if engine else exchange.header(b"accept") or ""
    encode, content_type = choose_encoder(accept)
    own = encode(runtime.metrics.registry)
    await exchange.respond(200, own + engine, content_type.encode())


async def models(exchange: Exchange, runtime: Runtime) -> None:
    await exchange.respond_json({"object": "list", "data": [_model_card(runtime)]})


async def model(exchange: Exchange, runtime: Runtime) -> None:
    runtime.check_model(exchange.path_rest)
    await exchange.respond_json(_model_card(runtime))


async def tokenize(exchange: Exchange, runtime: Runtime) -> None:
    body = await read_body(exchange, TokenizeBody, runtime.settings.max_body_bytes)
    runtime.check_model(body.model)
    if (body.prompt is None) == (body.messages is None):
        raise InvalidValue("exactly one of prompt and messages is needed", param="prompt")
    if body.messages is not None:
        runtime.capabilities.check("tools", body.tools or [])
        if body.add_special_tokens is not None:
            raise InvalidValue(
                "add_special_tokens goes with prompt only: the chat template has its own",
                param="add_special_tokens",
            )
        text = runtime.prompts.render(
            for_template(body.messages),
            tools=tools_for_template(body.tools or []),
            arguments=body.chat_template_kwargs,
        )
        ids = await runtime.tokenizer.encode(text, add_special_tokens=False)
    else:
        for field in ("tools", "chat_template_kwargs"):
            if getattr(body, field) is not None:
                raise InvalidValue(f"{field} goes with messages only", param=field)
        ids = await runtime.tokenizer.encode(
            body.prompt or "", add_special_tokens=body.add_special_tokens is not False
        )
    await exchange.respond_json(
        {"tokens": ids, "count": len(ids), "max_model_len": runtime.model.max_model_len}
    )


async def detokenize(exchange: Exchange, runtime: Runtime) -> None:
    body = await read_body(exchange, DetokenizeBody, runtime.settings.max_body_bytes)
    runtime.check_model(body.model)
    runtime.tokenizer.check(body.tokens, "tokens")
    text = await runtime.tokenizer.decode_long(
        body.tokens, skip_special_tokens=body.skip_special_tokens
    )
    await exchange.respond_json({"prompt": text})


async def cancel(exchange: Exchange, runtime: Runtime) -> None:
    """DELETE /v1/requests/{id} ends that request; its client gets the error `cancelled`."""
    request_id = exchange.path_rest
    if not runtime.generations.end(request_id, Cancelled("cancelled by DELETE /v1/requests")):
        raise NotFound("no running request has that id")
    await exchange.respond_json({"id": request_id, "object": "request", "cancelled": True})


async def page(exchange: Exchange, pages: ASGIApp) -> None:
    """Answer with one of BentoML's own pages, with our request id."""

    async def send(message: ASGIMessage) -> None:
        if message["type"] == "http.response.start":
            exchange.started = True
            message["headers"].append((b"x-request-id", exchange.request_id.encode()))
        await exchange.send(message)

    await pages(exchange.scope, exchange.receive, send)


def _model_card(runtime: Runtime) -> dict[str, Any]:
    settings, model = runtime.settings, runtime.model
    return {
        "id": model.served_name,
        "object": "model",
        "created": int((model.path / "config.json").stat().st_mtime),
        "owned_by": "self-hosted",
        "backend": runtime.engine.name,
        "backend_version": runtime.engine.version,
        "quantization": runtime.engine.quantization,
        "dtype": model.dtype if settings.dtype == "auto" else settings.dtype,
        "max_model_len": model.max_model_len,
        "capabilities": runtime.capabilities.as_map(),
    }
