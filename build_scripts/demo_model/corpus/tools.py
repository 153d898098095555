"""Questions of kind `tool`: the answer is a tool call, or a sentence about a tool's result."""

import json
from typing import Any

from build_scripts.demo_model.question import Message, Question, Tool, user

_CITIES = [
    "Paris",
    "Rome",
    "Madrid",
    "Berlin",
    "Oslo",
    "Tokyo",
    "Cairo",
    "Lima",
    "Athens",
    "Vienna",
]
_ZONES = ["Paris", "Tokyo", "Lima", "Cairo", "Dublin", "Ottawa"]
_SEARCHES = ("cats", "trains", "music", "football", "volcanoes", "BentoML")
_MORE_CITIES = ["Warsaw", "Lisbon", "Dublin", "Ottawa", "Hanoi"]
_MORE_ZONES = ["Rome", "Madrid", "Berlin", "Oslo"]
_MORE_SEARCHES = ("dogs", "ships", "planets")
_SUMS = ((12, 30), (45, 21), (70, 8), (33, 33), (19, 64), (58, 27))
_ALARMS = (6, 7, 8, 9)
_DEGREES = (21, 15, 30, 8, 4, 25, 35, 18, 28, 12)


def _tool(name: str, purpose: str, **parameters: str) -> Tool:
    properties = {key: {"type": kind} for key, kind in parameters.items()}
    schema = {"type": "object", "properties": properties, "required": list(parameters)}
    function = {"name": name, "description": purpose, "parameters": schema}
    return {"type": "function", "function": function}


WEATHER = _tool("get_weather", "The weather of a city.", city="string")
TIME = _tool("get_time", "The local time of a city.", city="string")
SEARCH = _tool("search", "Search the web.", query="string")
ADD = _tool("add", "Add two integers.", a="integer", b="integer")
ALARM = _tool("set_alarm", "Set an alarm at an hour of the day.", hour="integer")
ALL_TOOLS = (WEATHER, TIME, SEARCH, ADD, ALARM)


def tool_questions() -> list[Question]:
    """All questions of kind `tool`, in a fixed order."""
    single = [
        *(_call(_weather_text(city), (WEATHER,), {"city": city}) for city in _CITIES),
        *(_call(f"What time is it in {city}?", (TIME,), {"city": city}) for city in _ZONES),
        *(_call(f"Search for {text}.", (SEARCH,), {"query": text}) for text in _SEARCHES),
        *(_call(f"Add {a} and {b}.", (ADD,), {"a": a, "b": b}) for a, b in _SUMS),
        *(_call(f"Wake me at {hour}.", (ALARM,), {"hour": hour}) for hour in _ALARMS),
    ]
    choices = [
        *(_call(_weather_text(city), (WEATHER, TIME), {"city": city}) for city in _MORE_CITIES),
        *(
            _call(f"What time is it in {city}?", (TIME, WEATHER), {"city": city})
            for city in _MORE_ZONES
        ),
        *(_call(f"Search for {text}.", (SEARCH, ADD), {"query": text}) for text in _MORE_SEARCHES),
    ]
    results = [_result(*pair) for pair in zip(_CITIES, _DEGREES, strict=True)]
    return single + choices + results


def _weather_text(city: str) -> str:
    return f"What is the weather in {city}?"


def _call(text: str, tools: tuple[Tool, ...], arguments: dict[str, Any]) -> Question:
    """The question whose answer calls the first of `tools`."""
    call = {"name": tools[0]["function"]["name"], "arguments": arguments}
    answer = f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"
    return Question("tool", (user(text),), answer, tools)


def _result(city: str, degrees: int) -> Question:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
    }
    turns: tuple[Message, ...] = (
        user(_weather_text(city)),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": f'{{"degrees": {degrees}}}'},
    )
    return Question("tool", turns, f"It is {degrees} degrees in {city}.", (WEATHER,))
