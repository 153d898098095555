"""One answer, made by one request after another where TGI stops too early."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from common.engine import Chunk
from common.sampling import Sampling
from services._tgi.client import Client
from services._tgi.prompt import Prompt, Prompts
from services._tgi.request import (
    GOOD_PLACE,
    MOST_NEW_TOKENS,
    finish_reason,
    request_body,
    token_logprob,
)


class Answer:
    """TGI stops at each of its own end tokens and after MOST_NEW_TOKENS. The rest is asked for
    with the text so far, as TGI does it itself; but that no more tokens come than were asked for,
    and that the last one is never a part of a character."""

    def __init__(
        self, client: Client, prompts: Prompts, max_model_len: int, sampling: Sampling
    ) -> None:
        self._client = client
        self._prompts = prompts
        self._max_model_len = max_model_len
        self._sampling = sampling
        self._texts: list[str] = []

    async def chunks(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """To the one with a finish reason."""
        left = self._sampling.max_tokens
        following = prompt
        while left > 0:
            async with aclosing(self._request(following, left)) as chunks:
                async for chunk in chunks:
                    yield chunk
                    if chunk.finish_reason is not None:
                        return
            following = prompt.followed_by("".join(self._texts))
            self._prompts.check(following.text)
            # Its text may be more tokens to TGI than the answer had.
            room = self._max_model_len - await self._prompts.count(following.text)
            left = min(self._sampling.max_tokens - len(self._texts), room)
        yield Chunk(finish_reason="length")

    async def _request(self, prompt: Prompt, left: int) -> AsyncGenerator[Chunk, None]:
        sampling, texts = self._sampling, self._texts
        wanted = sampling.logprobs
        asked = min(left, MOST_NEW_TOKENS)
        leave = len(texts) + GOOD_PLACE if left > asked else left + len(texts) + 1
        body = request_body(prompt, sampling, asked, len(texts))
        async with aclosing(self._client.tokens(body)) as events:
            async for event in events:
                token = event["token"]
                token_id, text = token["id"], token["text"]
                texts.append(text)
                ended = event["details"] is not None
                finish = finish_reason(token_id, ended, len(texts), sampling)
                logprobs = None if wanted is None else [token_logprob(event, wanted)]
                yield Chunk((token_id,), logprobs=logprobs, finish_reason=finish)
                # There is no text while a character is incomplete.
                if len(texts) >= leave and text:
                    return
