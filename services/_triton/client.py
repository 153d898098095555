"""A gRPC connection to a tritonserver, and the generations that it streams."""

from collections.abc import AsyncGenerator

from common.engine import Chunk, GenerateRequest
from common.errors import StartError
from common.messages import one_line
from services._triton.repository import MODEL
from services._triton.request import Part, chunk, infer_request, service_error, single_request

NEEDED = frozenset(
    {
        "input_ids",
        "input_lengths",
        "request_output_len",
        "streaming",
        "exclude_input_in_output",
        "runtime_top_k",
        "runtime_top_p",
        "temperature",
        "seed",
        "repetition_penalty",
        "stop_words_list",
        "bad_words_list",
        "embedding_bias",
        "return_log_probs",
        "output_ids",
        "sequence_length",
        "output_log_probs",
    }
)
"""Tensors that the model has to have."""
READY_TIMEOUT = 2.0
CHANNEL = {
    "grpc.max_send_message_length": -1,
    "grpc.max_receive_message_length": -1,
    # A server that loads for minutes is polled all the time.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
}
LOCAL = {"grpc.enable_http_proxy": 0}
REMOTE = {"grpc.keepalive_time_ms": 330_000, "grpc.keepalive_timeout_ms": 20_000}
"""A server ends connections on which pings without data come more often than each 5 minutes."""


class StreamBroken(Exception):
    """The server, or the way to it, failed while an answer was under way."""


class TritonClient:
    """One connection, on which each generation is a stream of its own."""

    def __init__(self, address: str, options: dict[str, int]) -> None:
        import grpc
        from tritonclient.grpc.aio import InferenceServerClient
        from tritonclient.utils import InferenceServerException

        self._rpc_error = grpc.RpcError
        self._refused = InferenceServerException
        self._client = InferenceServerClient(
            address, channel_args=list({**CHANNEL, **options}.items())
        )

    async def answers(self) -> bool:
        """Returns whether a server is there."""
        try:
            return bool(await self._client.is_server_live(client_timeout=READY_TIMEOUT))
        except self._refused:
            return False

    async def ready(self) -> bool:
        """Returns whether the model takes requests."""
        try:
            return bool(await self._client.is_model_ready(MODEL, client_timeout=READY_TIMEOUT))
        except self._refused:
            return False

    async def check_loaded(self) -> None:
        """Raises StartError, with the server's reason, when it could not load the model."""
        try:
            index = await self._client.get_model_repository_index(client_timeout=READY_TIMEOUT)
        except self._refused:
            return
        for model in index.models:
            if model.name == MODEL and model.state == "UNAVAILABLE":
                raise StartError(f"tritonserver cannot load the engine: {one_line(model.reason)}")

    async def check_model(self) -> str:
        """Returns the server's version.

        Raises StartError for a model that is not TensorRT-LLM's, or does not stream.
        """
        version = str((await self._client.get_server_metadata()).version)
        metadata = await self._client.get_model_metadata(MODEL)
        has = {tensor.name for tensor in (*metadata.inputs, *metadata.outputs)}
        if lacking := sorted(NEEDED - has):
            raise StartError(
                f"setting 'engine_url': its model {MODEL!r} has no tensor {', '.join(lacking)}; "
                "needed is that of TensorRT-LLM's inflight_batcher_llm"
            )
        config = (await self._client.get_model_config(MODEL)).config
        if not config.model_transaction_policy.decoupled:
            raise StartError(
                f"setting 'engine_url': its model {MODEL!r} does not stream; write "
                "model_transaction_policy { decoupled: true } into its config.pbtxt"
            )
        return version

    async def stream(
        self, request: GenerateRequest, part: Part, vocab_size: int
    ) -> AsyncGenerator[Chunk, None]:
        """Yield chunks; closing it cancels the generation. Raises ServiceError, StreamBroken."""
        with_logprobs = request.sampling.logprobs is not None
        generated, last = 0, None
        call = self._client.stream_infer(single_request(infer_request(request, part, vocab_size)))
        try:
            async for result, error in call:
                if error is not None:
                    raise service_error(error)
                piece = chunk(
                    result.get_response(), part, generated, last, with_logprobs=with_logprobs
                )
                if piece.token_ids:
                    generated, last = generated + len(piece.token_ids), piece.token_ids[-1]
                if piece.token_ids or piece.finish_reason:
                    yield piece
                if piece.finish_reason:
                    return
        except self._rpc_error as error:
            raise StreamBroken(error.details()) from error
        finally:
            call.cancel()
        raise StreamBroken("the stream ended before the answer did")

    async def close(self) -> None:
        await self._client.close()
