"""Changing what bytes say instead of the bytes: a value somewhere in a JSON or msgpack document becomes another.

Changed bytes of a document are mostly no document any more; these always are one, of a shape that nobody expects.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import msgpack

from tests.fuzz.target import Form

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64 - 1, -(2**63), 1.5, -0.0, 1e308),
    *(
        "",
        "a",
        "\ud800",
        "\x00",
        "\x1b[31m",
        "é",
        "data:;base64,",
        "data:image/png;base64,%",
        "x" * 300,
        "2026-01-01T00:00:00Z",
    ),
    *([], {}, [[]], [{}], {"": ""}, [None], {"type": None}, {"type": "text"}, ["a", 1], {"a": {"b": {"c": []}}}),
)
_WORDS = (
    *(
        "role",
        "content",
        "type",
        "text",
        "name",
        "id",
        "tool_calls",
        "tool_call_id",
        "function",
        "arguments",
        "input",
        "output",
    ),
    *(
        "content_type",
        "message",
        "format",
        "payload",
        "source",
        "data",
        "media_type",
        "url",
        "image_url",
        "priority",
        "usage",
    ),
    *(
        "user",
        "assistant",
        "system",
        "tool",
        "tool_use",
        "tool_result",
        "openai",
        "anthropic",
        "responses",
        "image",
        "document",
    ),
    *(
        "function_call",
        "function_call_output",
        "reasoning",
        "summary",
        "custom",
        "file",
        "input_text",
        "thinking",
        "signature",
    ),
    *(
        "from",
        "value",
        "uuid",
        "parentUuid",
        "timestamp",
        "isSidechain",
        "append",
        "edit",
        "note",
        "refs/heads/main",
        "HEAD",
    ),
)


def restructured(data: bytes, form: Form, rng: random.Random) -> bytes | None:
    """*data* with a few of its values changed, or None where it is no document of *form*."""
    prefix, body = data[: form.prefix], data[form.prefix :]
    try:
        if form.kind == "lines":
            lines = body.split(b"\n")
            at = rng.randrange(len(lines))
            lines[at] = _changed(lines[at], json.loads, _dump, rng)
            if rng.random() < 0.2:
                lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
            return prefix + b"\n".join(lines)
        if form.kind == "json":
            return prefix + _changed(body, json.loads, _dump, rng)
        return prefix + _changed(body, lambda packed: msgpack.unpackb(packed, strict_map_key=False), msgpack.packb, rng)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException):
        return None


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def _changed(data: bytes, load: Callable[[bytes], Any], dump: Callable[[Any], bytes], rng: random.Random) -> bytes:
    root = [load(data)]
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = _places(root)
        if not places:
            break
        holder, key = rng.choice(places)
        _change(holder, key, [holder_[key_] for holder_, key_ in places], rng)
    return dump(root[0] if root else None)


def _places(root: Any) -> list[tuple[Any, Any]]:
    """Every list and map with each of its indices and keys."""
    found: list[tuple[Any, Any]] = []
    stack = [root]
    while stack and len(found) < 2000:
        holder = stack.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], (dict, list)):
                stack.append(holder[key])
    return found


def _change(holder: Any, key: Any, others: list[Any], rng: random.Random) -> None:
    what = rng.randrange(8)
    if what == 0:
        del holder[key]
    elif what == 1:
        holder[key] = [holder[key]]
    elif what == 2:
        holder[key] = copy.deepcopy(rng.choice(others))
    elif what == 3:
        holder[key] = rng.choice(_WORDS)
    elif what == 4 and isinstance(holder, dict):
        holder[rng.choice(_WORDS)] = holder.pop(key) if rng.random() < 0.5 else copy.deepcopy(holder[key])
    elif what == 5 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(rng.choice(others)))
    elif what == 6 and isinstance(holder[key], (int, float)):
        holder[key] = holder[key] + rng.choice((-1, 1, 2**32)) if rng.random() < 0.5 else -holder[key]
    else:
        holder[key] = copy.deepcopy(rng.choice(_ODD))
