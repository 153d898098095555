"""What the tasks ask of an endpoint: token ids, greedy answers and log-probabilities."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiohttp

from benchmarks.load.request import open_session
from benchmarks.quality.tasks import ChoiceDocument, ExactDocument, QualitySpec
from common.messages import one_line

TIMEOUT = aiohttp.ClientTimeout(600.0)
BUSY = 429
"""The only status below 500 that says nothing of the request."""


class Refused(Exception):
    """The endpoint cannot do what a task needs; the message has its own words."""


class QualityFailed(Exception):
    """The endpoint failed; the message says how."""


class GreedyAnswer(NamedTuple):
    text: str
    tokens: tuple[int, ...]


class ScoredEndpoint:
    """One model of an endpoint. Every prompt goes as token ids, so that engines can be compared by
    what they make of the same ones."""

    def __init__(self, spec: QualitySpec) -> None:
        self._spec = spec
        self._session = open_session()

    async def close(self) -> None:
        await self._session.close()

    async def prompt_ids(self, document: ExactDocument | ChoiceDocument) -> list[int]:
        """Returns the token ids of its prompt, by the endpoint's own tokenizer and chat template.
        Raises Refused and QualityFailed, as all here."""
        if document.prompt is not None:
            return await self.text_ids(document.prompt)
        tools = {} if document.tools is None else {"tools": document.tools}
        return await self._ids({"messages": document.messages, **tools})

    async def text_ids(self, text: str, **options: bool) -> list[int]:
        return await self._ids({"prompt": text, **options})

    async def choice_ids(self, document: ChoiceDocument, choice: str, before: int) -> list[int]:
        """Returns the tokens by which a choice continues the prompt, which has `before` of them: of
        a text, those that the whole has after it, for where a word begins depends on what is
        before."""
        if document.prompt is None:
            return await self.text_ids(choice, add_special_tokens=False)
        return (await self.text_ids(document.prompt + choice))[before:]

    async def greedy(self, ids: Sequence[int], max_tokens: int) -> GreedyAnswer:
        """Returns the answer at temperature 0, with its token ids, which may be a stop token's."""
        choice = await self._complete(
            ids, max_tokens=max_tokens, temperature=0, return_token_ids=True
        )
        try:
            return GreedyAnswer(str(choice["text"]), tuple(map(int, choice["token_ids"])))
        except (KeyError, TypeError, ValueError):
            raise Refused("its /v1/completions tells no token_ids") from None

    async def logprobs(self, ids: Sequence[int]) -> list[float]:
        """Returns the natural log-probability of each token but the first, given those before."""
        choice = await self._complete(ids, max_tokens=1, temperature=0, echo=True, logprobs=1)
        try:
            logprobs = choice["logprobs"]["token_logprobs"][1 : len(ids)]
            values = [float(value) for value in logprobs]
        except (KeyError, TypeError, ValueError):
            values = []
        if len(values) != len(ids) - 1:
            raise Refused("its /v1/completions tells no log-probabilities of a prompt's tokens")
        return values

    async def _complete(self, ids: Sequence[int], **fields: Any) -> dict[str, Any]:
        body = {"model": self._spec.model, "prompt": list(ids), **fields}
        answer = await self._post("/v1/completions", body)
        try:
            return dict(answer["choices"][0])
        except (KeyError, IndexError, TypeError, ValueError):
            raise QualityFailed("/v1/completions answered without a choice") from None

    async def _ids(self, body: dict[str, Any]) -> list[int]:
        answer = await self._post("/tokenize", {"model": self._spec.model, **body})
        try:
            return [int(token) for token in answer["tokens"]]
        except (KeyError, TypeError, ValueError):
            raise Refused("its /tokenize tells no token ids") from None

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{self._spec.url}{path}"
        try:
            async with self._session.post(url, json=body, timeout=TIMEOUT) as response:
                status, text = response.status, await response.text()
                if status < 400:
                    return dict(await response.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError, TypeError, ValueError) as error:
            raise QualityFailed(f"POST {path}: {one_line(error)}") from None
        reason = f"POST {path} answers {status}: {_message(text)}"
        if status >= 500 or status == BUSY:
            raise QualityFailed(reason)
        raise Refused(reason)


def _message(text: str) -> str:
    """Returns the message of an error's body, or its beginning."""
    try:
        value = json.loads(text)
        return one_line(str(value["error"]["message"]))
    except (KeyError, TypeError, ValueError):
        return one_line(text)
