"""Pictures larger than Anthropic takes are replaced by words.

The limit is 8,000 pixels a side, or 2,000 if a request has more than 20 pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tract.messages.fit_anthropic import Said
from tract.messages.parts import Notes
from tract.messages.pictures import picture_size
from tract.messages.values import items_of
from tract.objects.message_format import JSON

_LARGEST = 8000
_LARGEST_OF_MANY = 2000
_MANY = 20


class Pictures:
    """The pictures in the items of a request whose sizes can be read."""

    def __init__(self) -> None:
        self._sides: list[tuple[int, int, list[int]]] = []  # the item, its message, and the longer side of each

    def add(self, at: int, said: Said) -> None:
        """Add the pictures of item number *at*."""
        sides = [max(size) for size in _sizes(said.content)]
        if sides:
            self._sides.append((at, said.index, sides))

    def take_back(self, items: int) -> None:
        """Forget the items from number *items* on."""
        while self._sides and self._sides[-1][0] >= items:
            self._sides.pop()

    def fitting(self, messages: list[Any], notes: Notes) -> list[Any]:
        """*messages* with words in place of the pictures that are too large; *messages* itself if none is."""
        many = sum(len(sides) for _, _, sides in self._sides) > _MANY
        most = _LARGEST_OF_MANY if many else _LARGEST
        large = [index for _, index, sides in self._sides if max(sides) > most]
        for index in large:
            why = f" among more than {_MANY}" if many else ""
            notes.add(index, "part_left_out", f"a picture of more than {most} pixels a side{why}")
        return [without_large(message, most) for message in messages] if large else messages


def without_large(message: Mapping[str, JSON], most: int = _LARGEST) -> Mapping[str, JSON]:
    """*message* with words in place of its pictures of more than *most* pixels a side; *message* itself if it has none.

    By default *most* is the limit for a picture that is alone in its request.
    """
    content = message["content"]
    if not any(max(size) > most for size in _sizes(content)):
        return message
    return {**message, "content": _without_large(content, most)}


def _without_large(blocks: Sequence[JSON], most: int) -> list[JSON]:
    fit: list[JSON] = []
    for block in blocks:
        size = _size(block)
        if size is not None and max(size) > most:
            fit.append({"type": "text", "text": f"[image {size[0]}x{size[1]}, too large to be sent]"})
        elif isinstance(block, Mapping) and isinstance(block.get("content"), list | tuple):
            fit.append({**block, "content": _without_large(block["content"], most)})
        else:
            fit.append(block)
    return fit


def _sizes(content: JSON) -> Iterator[tuple[int, int]]:
    """The sizes of the pictures in *content*, and in the tool results in it."""
    for block in items_of(content):
        size = _size(block)
        if size is not None:
            yield size
        elif isinstance(block, Mapping):
            yield from _sizes(block.get("content"))


def _size(block: JSON) -> tuple[int, int] | None:
    """The size of a picture, if it can be read; None for every other block."""
    source = block.get("source") if isinstance(block, Mapping) and block.get("type") == "image" else None
    data = source.get("data") if isinstance(source, Mapping) else None
    return picture_size(data) if isinstance(data, str) else None
