"""How one request's tokens are chosen; None is the default of mlc-chat-config.json."""

from pydantic import BaseModel

from .debug_protocol import DebugConfig
from .openai_api_protocol import RequestResponseFormat


class GenerationConfig(BaseModel):
    n: int = 1
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    logit_bias: dict[int, float] | None = None
    max_tokens: int = -1
    seed: int | None = None
    stop_strs: list[str] | None = None
    stop_token_ids: list[int] | None = None
    response_format: RequestResponseFormat | None = None
    debug_config: DebugConfig | None = None
