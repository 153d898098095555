"""The model calls a function and gets its result: python tools.py"""

import json
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("BASE_URL", "http://localhost:3000") + "/v1",
    api_key=os.environ.get("API_KEY", "none"),
)
model = client.models.list().data[0].id


def get_weather(city: str) -> dict[str, object]:
    return {"degrees": 18}


tools = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]
messages = [{"role": "user", "content": "What is the weather in Lima?"}]
answer = client.chat.completions.create(
    model=model, messages=messages, tools=tools, temperature=0, max_tokens=128
).choices[0]
messages.append(answer.message.model_dump(exclude_none=True))
for call in answer.message.tool_calls or []:
    result = get_weather(**json.loads(call.function.arguments))
    print(call.function.name, call.function.arguments, result)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
final = client.chat.completions.create(
    model=model, messages=messages, tools=tools, temperature=0, max_tokens=128
)
print(final.choices[0].message.content)
