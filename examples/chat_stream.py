"""A conversation that streams: python chat_stream.py"""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("BASE_URL", "http://localhost:3000") + "/v1",
    api_key=os.environ.get("API_KEY", "none"),
)
model = client.models.list().data[0].id
messages = []
for question in ("What is the capital of France?", "And of Italy?"):
    messages.append({"role": "user", "content": question})
    stream = client.chat.completions.create(
        model=model, messages=messages, max_tokens=64, stream=True
    )
    answer = ""
    for chunk in stream:
        piece = chunk.choices[0].delta.content or ""
        print(piece, end="", flush=True)
        answer += piece
    print()
    messages.append({"role": "assistant", "content": answer})
