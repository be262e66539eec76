"""Messages as JSON lines carry them, used by both ends of a driver's pipe.

Bytes travel as `{"$bytes": "hex"}`. Integers keep all their digits and floats stay floats, which
Python's own json does by itself. It knows nothing of channel layers.
"""

import json
from typing import Any

Message = Any
"""What a channel layer carries: nearly always a dict with text keys."""


def to_line(value: Any) -> str:
    """One line without its newline."""
    return json.dumps(_with_marks(value), separators=(",", ":"), ensure_ascii=False)


def from_line(line: str | bytes) -> Any:
    """The value of one line."""
    return _without_marks(json.loads(line))


def _with_marks(value: Any) -> Any:
    match value:
        case bytes() | bytearray():
            return {"$bytes": bytes(value).hex()}
        case dict():
            return {key: _with_marks(item) for key, item in value.items()}
        case list() | tuple():
            return [_with_marks(item) for item in value]
        case _:
            return value


def _without_marks(value: Any) -> Any:
    match value:
        case {"$bytes": str(text), **rest} if not rest:
            return bytes.fromhex(text)
        case dict():
            return {key: _without_marks(item) for key, item in value.items()}
        case list():
            return [_without_marks(item) for item in value]
        case _:
            return value
