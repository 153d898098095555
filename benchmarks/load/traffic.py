"""Requests as they go out: conversations, and what is in flight."""

import time
from dataclasses import dataclass, field

from benchmarks.load.messages import body
from benchmarks.load.request import Endpoint, Sent
from benchmarks.load.sequence import Sequence
from benchmarks.load.spec import Spec
from benchmarks.prompts import Prompt
from benchmarks.results.schema import Outcome


@dataclass
class Traffic:
    """`start` is a stamp of time.monotonic_ns(); `requests` are in the order of their sending."""

    spec: Spec
    endpoint: Endpoint
    prompts: Sequence
    start: int
    requests: list[Sent] = field(default_factory=list)

    def take(self) -> tuple[int, Prompt]:
        return self.prompts.take()

    async def converse(
        self, user: int, index: int, prompt: Prompt, *, end: int, intended: int | None = None
    ) -> bool:
        """As many turns of the prompt as the run asks for; a turn that would begin after the stamp
        `end` is left out. Whether all went well."""
        said: list[str] = []
        for turn, text in enumerate(prompt.turns[: self.spec.turns]):
            if turn and time.monotonic_ns() >= end:
                break
            said.append(text)
            data = body(self.spec, said, prompt.max_tokens)
            sent = Sent(index, user, turn, prompt.id, time.monotonic_ns(), intended)
            self.requests.append(sent)
            await self.endpoint.send(sent, data)
            if sent.outcome is not Outcome.OK:
                return False
            said.append(sent.text)
        return True
