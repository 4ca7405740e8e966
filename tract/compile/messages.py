"""Messages: a column of them, each decoded when it is first read.

A context is read as its blobs' payloads, which is a fifth of the work of decoding them; most messages are only sent and never looked at.
A payload determines its message, so it stands for the message here, and is the key under which a decoded message is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import repeat
from sys import intern
from typing import Any, Generic, TypeAlias, TypeVar, overload

from tract.messages.message import Message, message_in
from tract.objects.codec import encode, unpack, unpack_all
from tract.objects.id import object_id
from tract.objects.message_format import JSON
from tract.objects.model import Object
from tract.objects.strict_reader import read_blob
from tract.storage.payloads import Laid, Payloads

_T = TypeVar("_T")

Item: TypeAlias = Message | bytes
"""A message, or the payload of the blob it is in."""

Decode: TypeAlias = Callable[[bytes], Message]

_MESSAGES_KEPT = 131072
_AT_ONCE = 256

# Every blob of a chat completions message begins with this; the rest of it is the encoding of the message itself.
_CHAT = encode({"content_type": "message", "format": "openai", "message": {}})[:-1]
_CHAT_SIZE = len(_CHAT)


def message_in_payload(payload: bytes) -> Message:
    """The message in a blob's payload; ObjectCorruptError if there is none."""
    return message_in(_value_in(payload))


def remembering() -> Decode:
    """A ``message_in_payload`` with a memory: it returns the same message for the same payload as long as it remembers it."""
    return lru_cache(_MESSAGES_KEPT)(message_in_payload)


class Messages(Sequence[Message]):
    """A list of messages that are decoded when they are first read; until the list is first changed, the payloads are not even cut apart."""

    __slots__ = ("_decode", "_items")

    def __init__(self, decode: Decode = message_in_payload, items: Iterable[Item] = ()) -> None:
        self._decode = decode
        self._items: list[Item] | Payloads = list(items)

    def _own(self) -> list[Item]:
        """The items as a list that may be changed."""
        items = self._items
        if type(items) is Payloads:
            items = self._items = list(items)
        return items

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, at: int) -> Message: ...
    @overload
    def __getitem__(self, at: slice) -> list[Message]: ...

    def __getitem__(self, at: int | slice) -> Message | list[Message]:
        if isinstance(at, slice):
            return [self._message(item) for item in self._items[at]]
        return self._message(self._items[at])

    def __iter__(self) -> Iterator[Message]:
        return map(self._message, self._items)

    def _message(self, item: Item) -> Message:
        return self._decode(item) if type(item) is bytes else item  # type: ignore[return-value]  # an Item is one or the other

    def copy(self, length: int) -> Messages:
        """A copy of the first *length* messages."""
        return Messages(self._decode, self._items[:length])

    def select(self, rows: Iterable[int]) -> Messages:
        """The messages in *rows*, in the order of *rows*."""
        items = self._items
        return Messages(self._decode, [items[at] for at in rows])

    def append(self, item: Item) -> None:
        self._own().append(item)

    def extend(self, items: Iterable[Item]) -> None:
        if type(items) is Payloads and not self._items:
            self._items = items
        else:
            self._own().extend(items)

    def insert(self, at: int, item: Item) -> None:
        self._own().insert(at, item)

    def replace(self, at: int, item: Item) -> None:
        self._own()[at] = item

    def remove(self, at: int) -> None:
        del self._own()[at]

    def is_same(self, other: Messages, at: int) -> bool:
        """Whether the two have equal messages in row *at*."""
        mine, others = self._items[at], other._items[at]
        return mine is others or mine == others or self[at] == other[at]

    def is_chat(self, at: int) -> bool:
        """Whether the blob in row *at* says that it is a chat completions message; nothing is decoded."""
        item = self._items[at]
        return type(item) is bytes and item.startswith(_CHAT)

    def sent(self, start: int, stop: int) -> Iterator[list[Message | dict[str, JSON]]]:
        """Messages *start* to *stop*, some hundred at a time, for a caller that sends them: a dict is a chat completions message, and the caller's own.

        The dicts are unpacked anew in batches. That costs less than decoding each message, and happens while the payloads are in the processor's cache.
        """
        items = self._items
        if type(items) is Payloads and not start and stop == len(items):
            parts: Iterable[Laid | Sequence[Item]] = items.parts(_AT_ONCE)
        else:
            parts = (items[at : min(at + _AT_ONCE, stop)] for at in range(start, stop, _AT_ONCE))
        return map(self._sent, parts)

    def afresh(self) -> Messages:
        """The same messages, decoded anew for this caller alone."""
        return Messages(message_in_payload, self._items)

    def _sent(self, part: Laid | Sequence[Item]) -> list[Any]:
        """The values to send for a batch of items of any kind."""
        encodings = part.behind(_CHAT) if isinstance(part, Laid) else _encodings_of_chats(part)
        values = None if encodings is None else _maps_of(encodings)
        return self._sent_by_one(part.cut() if isinstance(part, Laid) else part) if values is None else values

    def _sent_by_one(self, part: Sequence[Item]) -> list[Any]:
        """The values to send for a batch in which not all are chat completions messages."""
        values = _maps_of([item[_CHAT_SIZE:] for item in part if type(item) is bytes and item.startswith(_CHAT)])
        own = iter(values or ())
        result: list[Any] = []
        for item in part:
            if type(item) is bytes:
                sent = next(own, None) if item.startswith(_CHAT) else _spoken(item)
                result.append(self._decode(item) if sent is None else sent)
            else:
                result.append(self._message(item))
        return result


def _encodings_of_chats(items: Sequence[Any]) -> list[bytes] | None:
    """The encoded messages if all items are payloads of chat completions messages, else None."""
    try:
        return [item[_CHAT_SIZE:] for item in items] if all(map(bytes.startswith, items, repeat(_CHAT))) else None
    except TypeError:  # one is a decoded message
        return None


def _spoken(payload: bytes) -> dict[str, JSON] | None:
    """The chat completions message for a plain turn of a dialogue; None if the blob is anything else."""
    value = _value_in(payload)
    role, text = value.get("role"), value.get("text")
    if value.get("content_type") != "dialogue" or "name" in value or type(role) is not str or type(text) is not str:
        return None
    return {"role": role, "content": text}


def _maps_of(encodings: Sequence[bytes]) -> list[Any] | None:
    """The maps, or None if one of them is damaged: a caller that then decodes it alone gets the error."""
    try:
        values = unpack_all(encodings)
    except ValueError:
        return None
    if not {dict}.issuperset(map(type, values)):
        return None
    # Otherwise each message would have its own copy of the role: 54 bytes, beside some 600 for the whole message.
    with suppress(KeyError, TypeError):
        for value in values:
            value["role"] = intern(value["role"])
    return values


def _value_in(payload: bytes) -> Any:
    try:
        value = unpack(payload)
    except ValueError:
        value = None
    # The error names the blob; its id is computed only if there is an error.
    return value if type(value) is dict else read_blob(object_id("blob", payload), Object("blob", payload))


class View(Sequence[_T], Generic[_T]):
    """The first *length* items of a list that may grow; read-only, and O(1) to make."""

    __slots__ = ("_convert", "_items", "_length")

    def __init__(self, items: Sequence[Any], length: int, convert: Callable[[Any], _T] | None = None) -> None:
        self._items = items
        self._length = length
        self._convert = convert

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> _T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[_T]: ...

    def __getitem__(self, at: int | slice) -> _T | Sequence[_T]:
        if isinstance(at, slice):
            return [self._one(self._items[row]) for row in range(self._length)[at]]
        if at < 0:
            at += self._length
        if not 0 <= at < self._length:
            raise IndexError(f"index out of range: {at} of {self._length}")
        return self._one(self._items[at])

    def __iter__(self) -> Iterator[_T]:
        for at in range(self._length):
            yield self._one(self._items[at])

    def _one(self, item: Any) -> _T:
        return item if self._convert is None else self._convert(item)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (View, list, tuple)):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a view is compared by its items, which may not be hashable

    def __repr__(self) -> str:
        shown = ", ".join(repr(item) for item in self[:3])
        return f"[{shown}{', …' if self._length > 3 else ''}] ({self._length})"
