"""POST /v1/load_lora_adapter and /v1/unload_lora_adapter, by the names that clients know."""

from pydantic import Field

from common.http.accepted import Accepted, Fields
from common.http.body import read_body
from common.http.exchange import Exchange
from common.http.operations import model_card
from common.http.runtime import Runtime
from common.http.strict import Strict

LOAD_ADAPTER: Fields = {
    "load_inplace": Accepted(
        "a name that is taken is refused", (False,), "unload the adapter of that name first"
    ),
    "is_3d_lora_weight": Accepted("its file says how its weights are laid out"),
}
"""Fields of other servers."""


class LoadAdapterBody(Strict):
    """POST /v1/load_lora_adapter."""

    accepted = LOAD_ADAPTER
    lora_name: str = Field(min_length=1, max_length=128)
    """The name for clients, as the `model` of their requests."""
    lora_path: str = Field(min_length=1, max_length=4096)
    """The directory, in one of those of the setting `adapter_loading`."""


class UnloadAdapterBody(Strict):
    """POST /v1/unload_lora_adapter."""

    lora_name: str = Field(min_length=1, max_length=128)
    """The adapter, which takes no more requests; those that it has are answered."""


async def load_adapter(exchange: Exchange, runtime: Runtime) -> None:
    """POST /v1/load_lora_adapter answers with the card of the adapter, once it can be asked."""
    body = await read_body(exchange, LoadAdapterBody, runtime.bodies)
    adapter = await runtime.adapters.load(body.lora_name, body.lora_path)
    await exchange.respond_json(model_card(runtime, adapter))


async def unload_adapter(exchange: Exchange, runtime: Runtime) -> None:
    """POST /v1/unload_lora_adapter answers at once; the adapter's running requests go on."""
    body = await read_body(exchange, UnloadAdapterBody, runtime.bodies)
    runtime.adapters.unload(body.lora_name)
    await exchange.respond_json({"id": body.lora_name, "object": "model", "deleted": True})
