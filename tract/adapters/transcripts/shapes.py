"""The places of conversations in a JSON value.

    {"mapping": …, "current_node": …}     an object that a format knows as a conversation
    [message, …]                          one conversation
    [conversation, …]                     each element a list of messages or an object with one
    {"messages": [message, …], …}         one conversation, and the fields beside it
    {"a": {"b": [message, …]}}            the same, for the key "a.b"
    {"input": […], "output": […]}         a request and its response of the Responses API

The keys are messages, traj, history, conversations, items, contents, samples and simulations, then the Responses API's input and output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tract.adapters.transcripts.conversations import Format, Found
from tract.adapters.transcripts.formats import ROLES, among, is_message
from tract.adapters.transcripts.strictjson import Refused
from tract.dataclass import dataclass
from tract.objects.message_format import JSON

_KEYS = ("messages", "traj", "history", "conversations", "items", "contents", "samples", "simulations")
_HOLDERS = frozenset({*_KEYS, "input", "output", "request", "response", "body", "mapping", "chosen", "prompt"})
_LOOKED_AT = 50
"""The number of a list's items that are checked for being messages."""


_SAYING_MORE = frozenset({"tool_calls", "toolInvocations", "experimental_attachments", "parts", "from", "kind", "type"})
"""Keys by which a format's message of text is recognised."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """A value without messages, and its place."""

    place: str
    value: JSON


Place = tuple[Found, Format]


class Shapes:
    """The shapes of conversations in some *formats* of scope ``conversation`` and ``messages``."""

    def __init__(self, formats: Sequence[Format], key: str | None) -> None:
        self._objects = [format for format in formats if format.scope == "conversation"]
        self._lists = [format for format in formats if format.scope == "messages"]
        self._responses = next((format for format in self._lists if format.name == "responses"), None)
        self._key = key
        self._names = _KEYS if key is None else (key,)

    def conversations(
        self, value: JSON, tell_left: Callable[[str, list[str]], None] | None = None
    ) -> Iterator[Place | NotFound]:
        """Every conversation in *value*, in order; a given key is the only one searched for.

        If they are in a list of an object, *tell_left* gets the list's key, and the keys beside it that belong to none of them.
        """
        found = self._conversation(value, "")
        if found is not None:
            yield found
        elif isinstance(value, list) and value:
            yield from self._each(value, "")
        elif isinstance(value, dict) and (inner := self._inner_list(value)) is not None:
            top = inner[0] if self._key is None else inner[0].split(".")[0]
            left = [key for key, what in value.items() if key != top and what not in (None, [], {}, "")]
            if left and tell_left is not None:
                tell_left(inner[0], left)
            yield from self._without_key()._each(inner[1], inner[0])
        else:
            yield NotFound("", value)

    def format_of(self, items: Sequence[JSON]) -> Format | None:
        """The format that one of *items* can only be a message of."""
        items = [item for item in items if isinstance(item, dict)]
        special = [item for item in items if not _is_plain(item)]
        for format in self._lists:
            if any(map(format.detect, items if format is self._lists[-1] else special)):
                return format
        return None

    def message_in(self, value: JSON) -> JSON:
        """The message that *value* is, or has under the key; None if there is none."""
        chosen = dig(value, self._key) if self._key is not None else value
        is_one = bool(self._lists) and self._lists[-1].detect(chosen)
        return chosen if is_one or any(format.detect(chosen) for format in self._lists) else None

    def may_hold(self, value: JSON) -> bool:
        """Whether *value*, a message, may also be an object with messages."""
        return self._key is not None or not isinstance(value, dict) or not _HOLDERS.isdisjoint(value)

    def _each(self, values: list[JSON], place: str) -> Iterator[Place | NotFound]:
        for index, item in enumerate(values):
            here = f"{place}[{index}]"
            yield self._conversation(item, here) or NotFound(here, item)

    def _conversation(self, value: JSON, place: str) -> Place | None:
        if isinstance(value, list):
            format = self.format_of(value)
            return (Found(place, value), format) if format is not None else None
        if not isinstance(value, dict):
            return None
        if self._key is None:
            for format in self._objects:
                if format.detect(value):
                    return Found(place, [value]), format
        for name in self._names:
            messages = dig(value, name) if self._key is not None else value.get(name)
            if isinstance(messages, list) and (format := self._of_list(name, messages)) is not None:
                top = name if self._key is None else name.split(".")[0]
                beside = {other: what for other, what in value.items() if other != top}
                return Found(f"{place}.{name}".lstrip("."), messages, beside), format
        return self._exchange(value, place) if self._key is None else None

    def _of_list(self, name: str, messages: list[JSON]) -> Format | None:
        if not messages:
            return self._lists[-1] if self._lists else None  # a conversation without messages yet
        format = self.format_of(messages)
        return self._responses if name == "items" and self._responses and format is self._lists[-1] else format

    def _exchange(self, value: dict[str, JSON], place: str) -> Place | None:
        """A request, a response or both of the Responses API: its input as messages, then its output.

        ``input`` may be a text there, but only beside a list as output; two texts are a data set's.
        """
        given, answered = value.get("input"), value.get("output")
        if self._responses is None or not any(
            isinstance(part, list) and any(is_message(item) for item in part) for part in (given, answered)
        ):
            return None
        messages: list[JSON] = [{"role": "user", "content": given}] if isinstance(given, str) else []
        for part in (given, answered):
            if isinstance(part, list):
                messages.extend(part)
            elif part is not None and part is not given:
                messages.append(Refused("'output' must be a list"))
        beside = {other: what for other, what in value.items() if other not in ("input", "output")}
        return Found(place, messages, beside), self._responses

    def _inner_list(self, value: dict[str, JSON]) -> tuple[str, list[JSON]] | None:
        for name in self._names:
            inner = dig(value, name) if self._key is not None else value.get(name)
            if isinstance(inner, list):
                shapes = self._without_key()
                if any(shapes._conversation(item, "") is not None for item in inner[:_LOOKED_AT]):
                    return name, inner
        return None

    def _without_key(self) -> Shapes:
        """The same, for values in which the key has been followed."""
        return self if self._key is None else Shapes([*self._objects, *self._lists], None)


def _is_plain(item: JSON) -> bool:
    """Whether *item* is a message of text alone, which does not identify its format."""
    return (
        isinstance(item, dict)
        and isinstance(item.get("content"), str)
        and among(item.get("role"), ROLES)
        and _SAYING_MORE.isdisjoint(item)
    )


def dig(value: JSON, key: str) -> JSON:
    """The value that the dotted *key* names in *value*, or None."""
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def likely_key(value: JSON, shapes: Shapes, depth: int = 4) -> str | None:
    """The dotted key under which *value*, or an item of it, has a list of messages; None if there is none."""
    if isinstance(value, list):
        return next((key for item in value[:3] if (key := likely_key(item, shapes, depth)) is not None), None)
    if not isinstance(value, dict) or not depth:
        return None
    name: str
    for name, inner in value.items():
        if isinstance(inner, list) and shapes.format_of(inner[:_LOOKED_AT]) is not None and "." not in name:
            return name
    for name, inner in value.items():
        if isinstance(inner, dict) and (below := likely_key(inner, shapes, depth - 1)) is not None and "." not in name:
            return f"{name}.{below}"
    return None
