"""What goes into the engine and what comes out of it."""

from dataclasses import dataclass


class TokenData:
    """A prompt. The engine takes 32-bit integers and nothing like them."""

    def __init__(self, token_ids: list[int]) -> None:
        for token_id in token_ids:
            if type(token_id) is not int:
                raise TypeError(f"expected int but got {type(token_id).__name__}")
        self._token_ids = tuple(token_ids)

    @property
    def token_ids(self) -> list[int]:
        return list(self._token_ids)


@dataclass
class SingleRequestStreamOutput:
    delta_token_ids: list[int]
    delta_logprob_json_strs: list[str] | None
    finish_reason: str | None
    request_final_usage_json_str: str | None
    extra_prefix_string: str


class RequestStreamOutput:
    """Made by the engine only; can be unpacked once."""

    def __init__(self, request_id: str, output: SingleRequestStreamOutput) -> None:
        self._request_id = request_id
        self._output: SingleRequestStreamOutput | None = output

    def unpack(self) -> tuple[str, list[SingleRequestStreamOutput]]:
        if self._output is None:
            raise RuntimeError("One RequestStreamOutput can be unpacked for at most once.")
        output, self._output = self._output, None
        return self._request_id, [output]
