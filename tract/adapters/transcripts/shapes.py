"""Where in a JSON value the lists of messages are.

    [message, …]                          one conversation
    [conversation, …]                     each element a list of messages or an object with one
    {"messages": [message, …], …}         one conversation, and what stands beside it
    {"a": {"b": [message, …]}}            the same, for the key "a.b"
    {"input": […], "output": […]}         a request and its response of the Responses API

The keys are messages, traj, history, conversations, then the Responses API's input, output and items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tract.adapters.transcripts.formats import is_message
from tract.adapters.transcripts.strictjson import Refused
from tract.objects.message_format import JSON

_KEYS = ("messages", "traj", "history", "conversations", "items")


@dataclass(frozen=True, slots=True)
class Found:
    """A list of messages, where in the value it is, and what the object around it says besides.

    *responses* is set where the keys alone say that these are items of the Responses API.
    """

    place: str
    messages: list[JSON]
    beside: dict[str, JSON] = field(default_factory=dict)
    responses: bool = False


@dataclass(frozen=True, slots=True)
class NotFound:
    """A value that holds no messages, and where it is."""

    place: str
    value: JSON


def find_conversations(value: JSON, key: str | None) -> Iterator[Found | NotFound]:
    """Every conversation in *value*, in order; *key*, if given, is the only key looked for."""
    found = _conversation(value, "", key)
    if found is not None:
        yield found
    elif isinstance(value, list) and value:
        yield from _each(value, "", key)
    elif isinstance(value, dict) and (inner := _inner_list(value, key)) is not None:
        yield from _each(inner[1], inner[0], None)
    else:
        yield NotFound("", value)


def dig(value: JSON, key: str) -> JSON:
    """What the dotted *key* names in *value*, or None."""
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _each(values: list[JSON], place: str, key: str | None) -> Iterator[Found | NotFound]:
    for index, item in enumerate(values):
        here = f"{place}[{index}]"
        yield _conversation(item, here, key) or NotFound(here, item)


def _conversation(value: JSON, place: str, key: str | None) -> Found | None:
    if isinstance(value, list):
        return Found(place, value) if any(is_message(item) for item in value) else None
    if not isinstance(value, dict):
        return None
    for name in _KEYS if key is None else (key,):
        messages = dig(value, name) if key is not None else value.get(name)
        if isinstance(messages, list) and (not messages or any(is_message(item) for item in messages)):
            top = name if key is None else name.split(".")[0]
            beside = {other: what for other, what in value.items() if other != top}
            return Found(f"{place}.{name}".lstrip("."), messages, beside, responses=name == "items")
    return _exchange(value, place) if key is None else None


def _exchange(value: dict[str, JSON], place: str) -> Found | None:
    """A request, a response or both of the Responses API: its input as messages, then its output.

    ``input`` may be a text there, but only beside a list of output; two texts are somebody's data set.
    """
    given, answered = value.get("input"), value.get("output")
    if not any(isinstance(part, list) and any(is_message(item) for item in part) for part in (given, answered)):
        return None
    messages: list[JSON] = [{"role": "user", "content": given}] if isinstance(given, str) else []
    for part in (given, answered):
        if isinstance(part, list):
            messages.extend(part)
        elif part is not None and part is not given:
            messages.append(Refused("'output' must be a list"))
    beside = {other: what for other, what in value.items() if other not in ("input", "output")}
    return Found(place, messages, beside, responses=True)


def _inner_list(value: dict[str, JSON], key: str | None) -> tuple[str, list[JSON]] | None:
    for name in _KEYS if key is None else (key,):
        inner = dig(value, name) if key is not None else value.get(name)
        if isinstance(inner, list) and any(_conversation(item, "", None) is not None for item in inner):
            return name, inner
    return None
