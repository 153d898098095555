"""Prints the vectors that clients get of a service that embeds, as JSON, by the client's name."""

import json
import sys
from typing import Any

import openai
from langchain_openai import OpenAIEmbeddings

BASE_URL, TEXTS = f"{sys.argv[1]}/v1", sys.argv[2:]


def main() -> None:
    client = openai.OpenAI(base_url=BASE_URL, api_key="none")
    ask: Any = client.embeddings.create
    chain = OpenAIEmbeddings(
        base_url=BASE_URL,
        api_key="none",
        model="default",
        # Else it sends token ids of OpenAI's models.
        check_embedding_ctx_length=False,
    )
    read = {
        "openai": [entry.embedding for entry in ask(model="default", input=TEXTS).data],
        "openai, as floats": [
            entry.embedding
            for entry in ask(model="default", input=TEXTS, encoding_format="float").data
        ],
        "langchain": chain.embed_documents(TEXTS),
        "langchain, a query": [chain.embed_query(text) for text in TEXTS],
    }
    print(json.dumps(read))


if __name__ == "__main__":
    main()
