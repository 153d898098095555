"""A file of requests, answered in the background; the service has BATCH_DIR: python batch.py"""

import json
import os
import time

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("BASE_URL", "http://localhost:3000") + "/v1",
    api_key=os.environ.get("API_KEY", "none"),
)
cities = ("France", "Italy", "Japan")
lines = [
    {
        "custom_id": city,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "messages": [{"role": "user", "content": f"What is the capital of {city}?"}],
            "max_tokens": 32,
        },
    }
    for city in cities
]
data = "\n".join(map(json.dumps, lines)).encode()
file = client.files.create(file=("requests.jsonl", data), purpose="batch")
batch = client.batches.create(
    input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
)
while batch.status not in ("completed", "failed", "cancelled"):
    time.sleep(0.5)
    batch = client.batches.retrieve(batch.id)
print(batch.status, batch.request_counts)
for line in client.files.content(batch.output_file_id).text.splitlines():
    answer = json.loads(line)
    text = answer["response"]["body"]["choices"][0]["message"]["content"]
    print(f"{answer['custom_id']}: {text!r}")
