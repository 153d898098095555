"""Prints the reasoning and the answer that clients read of a service whose model reasons, as JSON.

langchain-openai has no place for reasoning: what counts there is that the answer has none.
"""

import json
import sys
from typing import Any

import litellm
import openai
from langchain_openai import ChatOpenAI

BASE_URL, TEXT, LIMIT = f"{sys.argv[1]}/v1", sys.argv[2], int(sys.argv[3])
ASKED: Any = {"messages": [{"role": "user", "content": TEXT}], "max_tokens": LIMIT}


def of_message(message: Any) -> list[str | None]:
    return [getattr(message, "reasoning_content", None), message.content]


def of_stream(chunks: Any) -> list[str | None]:
    parts: list[list[str | None]] = [of_message(each.choices[0].delta) for each in chunks]
    return ["".join(filter(None, column)) for column in zip(*parts, strict=True)]


def main() -> None:
    create = openai.OpenAI(base_url=BASE_URL, api_key="none").chat.completions.create
    lite: Any = {"api_base": BASE_URL, "api_key": "none", **ASKED}
    chain: Any = ChatOpenAI(base_url=BASE_URL, api_key="none", model="default", max_tokens=LIMIT)
    read = {
        "openai": of_message(create(model="default", **ASKED).choices[0].message),
        "openai, streamed": of_stream(create(model="default", stream=True, **ASKED)),
        "litellm": of_message(litellm.completion("openai/default", **lite).choices[0].message),
        "litellm, streamed": of_stream(litellm.completion("openai/default", stream=True, **lite)),
        "langchain": [None, chain.invoke(TEXT).content],
        "langchain, streamed": [None, "".join(each.content for each in chain.stream(TEXT))],
    }
    print(json.dumps(read))


if __name__ == "__main__":
    main()
