"""Health, metrics, models, tokens and cancelling."""

from contextlib import suppress
from typing import Any

from prometheus_client.exposition import choose_encoder

from common.errors import Cancelled, EngineDead, InvalidValue, NotFound
from common.http.body import read_body
from common.http.conversation import render
from common.http.exchange import Exchange
from common.http.messages import tools_for_template
from common.http.runtime import Runtime
from common.http.schemas import (
    ConversationFields,
    DetokenizeBody,
    TokenizeBody,
)
from common.models.adapters import ADAPTER_CONFIG, Adapter
from common.serving.lifecycle import Lifecycle


async def alive(exchange: Exchange, lifecycle: Lifecycle) -> None:
    """GET /livez answers 200 while the process can recover by itself; `reason` says from what."""
    health = await lifecycle.check_alive()
    body = {"status": "alive"}
    if health is not None and health.reason:
        body["reason"] = health.reason
    await exchange.respond_json(body)


async def ready(exchange: Exchange, lifecycle: Lifecycle) -> None:
    """GET /readyz and its other names answer 200 only when a forward pass has worked lately."""
    await lifecycle.check_ready()
    phases = {name: round(seconds, 3) for name, seconds in lifecycle.phases.seconds.items()}
    await exchange.respond_json({"status": "ready", "start_seconds": phases})


async def version(exchange: Exchange, runtime: Runtime) -> None:
    """GET /version answers with the engine's version, as engines' own servers do."""
    engine = runtime.engine
    await exchange.respond_json({"version": engine.version, "backend": engine.name})


async def metrics(exchange: Exchange, runtime: Runtime) -> None:
    """GET /metrics answers with our series, then the engine's own, unchanged, once it has started.

    Clients that accept OpenMetrics get exemplars, unless the engine adds text of its own.
    """
    lifecycle = runtime.pipeline.lifecycle
    runtime.metrics.kv_cache_usage = None
    runtime.metrics.show_only(runtime.adapters.in_engine)
    with suppress(EngineDead):
        health = await lifecycle.check_alive()
        runtime.metrics.kv_cache_usage = health.kv_cache_usage if health is not None else None
    engine = (await runtime.engine.metrics()).encode() if lifecycle.started else b""
    accept = "" if engine else exchange.header(b"accept") or ""
    encode, content_type = choose_encoder(accept)
    own = encode(runtime.metrics.registry)
    await exchange.respond(200, own + engine, content_type.encode())


async def models(exchange: Exchange, runtime: Runtime) -> None:
    names = runtime.adapters.names
    cards = [model_card(runtime, each) for each in (None, *map(runtime.adapters.get, names))]
    await exchange.respond_json({"object": "list", "data": cards})


async def model(exchange: Exchange, runtime: Runtime) -> None:
    await exchange.respond_json(model_card(runtime, runtime.adapter(exchange.path_rest)))


async def tokenize(exchange: Exchange, runtime: Runtime) -> None:
    body = await read_body(exchange, TokenizeBody, runtime.bodies)
    runtime.adapter(body.model)
    if (body.prompt is None) == (body.messages is None):
        raise InvalidValue("exactly one of prompt and messages is needed", param="prompt")
    if body.messages is not None:
        runtime.check_images(body.messages)
        runtime.capabilities.check("tools", body.tools or [])
        tools = tools_for_template(body.tools or [])
        prompt = await exchange.apart(render, body.messages, body, runtime.prompts, tools)
        text = prompt.text
        special = bool(body.add_special_tokens)
        ids = await runtime.tokenizer.encode(text, add_special_tokens=special)
        ids, _ = await runtime.with_images(body.messages, text, ids, special)
    else:
        for field in ConversationFields.model_fields:
            if getattr(body, field) is not None:
                raise InvalidValue(f"{field} goes with messages only", param=field)
        ids = await runtime.tokenizer.encode(
            body.prompt or "", add_special_tokens=body.add_special_tokens is not False
        )
    await exchange.respond_json(
        {"tokens": ids, "count": len(ids), "max_model_len": runtime.model.max_model_len}
    )


async def detokenize(exchange: Exchange, runtime: Runtime) -> None:
    body = await read_body(exchange, DetokenizeBody, runtime.bodies)
    runtime.adapter(body.model)
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


def model_card(runtime: Runtime, adapter: Adapter | None = None) -> dict[str, Any]:
    settings, model = runtime.settings, runtime.model
    file = model.path / "config.json" if adapter is None else adapter.path / ADAPTER_CONFIG
    return {
        "id": runtime.name(adapter),
        "object": "model",
        "created": int(file.stat().st_mtime),
        "owned_by": "self-hosted",
        "parent": None if adapter is None else model.served_name,
        "backend": runtime.engine.name,
        "backend_version": runtime.engine.version,
        "quantization": runtime.engine.quantization,
        "dtype": model.dtype if settings.dtype == "auto" else settings.dtype,
        "max_model_len": model.max_model_len,
        "task": model.task,
        "embedding_size": model.embedding.size if model.task == "embed" else None,
        "reasoning": None if runtime.prompts.reasoning is None else runtime.prompts.reasoning.name,
        "capabilities": runtime.capabilities.as_map(),
    }
