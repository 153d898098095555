"""Texts compared by their vectors; the service has TASK=embed: python embeddings.py"""

import math
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("BASE_URL", "http://localhost:3000") + "/v1",
    api_key=os.environ.get("API_KEY", "none"),
)
texts = ["a cat sleeps", "a kitten naps", "interest rates rise"]
answer = client.embeddings.create(model=client.models.list().data[0].id, input=texts)
first, *others = [entry.embedding for entry in answer.data]
for text, vector in zip(texts[1:], others, strict=True):
    product = sum(a * b for a, b in zip(first, vector, strict=True))
    print(f"{texts[0]} / {text}: {product / math.hypot(*first) / math.hypot(*vector):.3f}")
