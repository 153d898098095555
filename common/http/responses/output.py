"""The items of an output while they come: reasoning, a message, a call of a function."""

import uuid
from typing import Any, ClassVar

import orjson

Object = dict[str, Any]


class OpenItem:
    """One item. `sample` has the bytes before, between and behind the number and the text of the
    event of a piece; `where` says in events which item it is."""

    EVENT: ClassVar[str]
    PREFIX: ClassVar[str]
    REST: ClassVar[bytes] = b"}\n\n"

    def __init__(self) -> None:
        self.id = f"{self.PREFIX}_{uuid.uuid4().hex}"
        self.index = 0
        self.pieces: list[str] = []
        self.where: Object = {}
        self.sample = (b"", b"", b"")

    def set_output_index(self, index: int) -> None:
        """Prepare the events of the item, which is number `index` of the output."""
        self.index = index
        self.where = {"item_id": self.id, "output_index": index, **self._content_index()}
        name = f"{self.EVENT}.delta"
        start = orjson.dumps({"type": name, **self.where})[:-1]
        head = b'event: %b\ndata: %b,"sequence_number":' % (name.encode(), start)
        self.sample = (head, b',"delta":', self.REST)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def _content_index(self) -> Object:
        return {"content_index": 0}

    def part(self) -> Object | None:
        """Returns the part of the content as it is now, None for an item without content."""
        return None

    def end(self) -> Object:
        """Returns what the event of the end of the text has."""
        return {"text": self.text}

    def shown(self, status: str) -> Object:
        """Returns the item as it is now."""
        raise NotImplementedError


class OpenReasoning(OpenItem):
    EVENT = "response.reasoning_text"
    PREFIX = "rs"

    def part(self) -> Object:
        return {"type": "reasoning_text", "text": self.text}

    def shown(self, status: str) -> Object:
        content = [self.part()] if self.pieces else []
        return {
            "type": "reasoning",
            "id": self.id,
            "summary": [],
            "content": content,
            "encrypted_content": None,
            "status": status,
        }


class OpenMessage(OpenItem):
    EVENT = "response.output_text"
    PREFIX = "msg"
    REST = b',"logprobs":[]}\n\n'

    def __init__(self) -> None:
        super().__init__()
        self.logprobs: list[Object] = []

    def part(self) -> Object:
        return {
            "type": "output_text",
            "text": self.text,
            "annotations": [],
            "logprobs": self.logprobs,
        }

    def end(self) -> Object:
        return {"text": self.text, "logprobs": self.logprobs}

    def shown(self, status: str) -> Object:
        content = [] if status == "in_progress" else [self.part()]
        return {
            "type": "message",
            "id": self.id,
            "role": "assistant",
            "content": content,
            "status": status,
        }


class OpenCall(OpenItem):
    EVENT = "response.function_call_arguments"
    PREFIX = "fc"

    def __init__(self, call_id: str, name: str) -> None:
        super().__init__()
        self._call_id = call_id
        self._name = name

    def _content_index(self) -> Object:
        return {}

    def end(self) -> Object:
        return {"name": self._name, "arguments": self.text}

    def shown(self, status: str) -> Object:
        return {
            "type": "function_call",
            "id": self.id,
            "call_id": self._call_id,
            "name": self._name,
            "arguments": self.text,
            "status": status,
        }
