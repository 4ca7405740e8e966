"""The places of values in a JSON text, without recursion: for naming lines, and for removing values nested too deeply."""

from __future__ import annotations

import re
from bisect import bisect_right

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_SPACE = re.compile(r"\s*")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^,\]}\s]+', re.DOTALL)

_MOST_DIGITS = 12

TOO_DEEP = "-Infinity"
"""The replacement that :func:`without_depths` uses: not JSON, but the decoder can be told how to read it."""

DEEPEST = 1_000_000
"""Deeper nesting is no accident, and searching for its end takes minutes."""


class Places:
    """The places of values in one JSON text; asking for many of them in their order is cheap."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._members: dict[tuple[int, str], int | None] = {}
        self._items: dict[int, tuple[int, int | None]] = {}  # for each list, the item asked for last

    def line_of(self, place: str) -> int | None:
        """The line, from 1, of the value at *place* (``messages[3]``, ``[0].traj[2]``), or None if there is no such value."""
        at = _skip(self._text, 0)
        for key, index in _STEP.findall(place):
            found = self._member(at, key) if key else self._item(at, index)
            if found is None:
                return None
            at = found
        return bisect_right(self._starts, at)

    def _member(self, at: int, key: str) -> int | None:
        if (at, key) not in self._members:
            self._members[at, key] = _member(self._text, at, key)
        return self._members[at, key]

    def _item(self, at: int, digits: str) -> int | None:
        if self._text[at : at + 1] != "[" or len(digits) > _MOST_DIGITS:
            return None
        index = int(digits)
        known, found = self._items.get(at, (0, _skip(self._text, at + 1)))
        if known > index:
            known, found = 0, _skip(self._text, at + 1)
        while known < index and found is not None:
            known, found = known + 1, _next(self._text, found)
        self._items[at] = (known, found)
        return found


def without_depths(text: str, most: int) -> str:
    """*text* with every list and map that is nested deeper than *most* replaced; OverflowError if one of these has no end."""
    parts: list[str] = []
    depth = done = start = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == most + 1:
                start = token.start()
            elif depth > DEEPEST:
                raise OverflowError("nested too deeply")
        elif token[0] in "]}":
            if depth == most + 1:
                parts += [text[done:start], TOO_DEEP]
                done = token.end()
            depth -= 1
    return "".join([*parts, text[done:]])


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _end_of(text: str, at: int) -> int | None:
    """The position where the value that begins at *at* ends."""
    if text[at : at + 1] not in ("[", "{"):
        scalar = _SCALAR.match(text, at)
        return scalar.end() if scalar else None
    depth = 0
    for token in _TOKEN.finditer(text, at):
        depth += (token[0] in "[{") - (token[0] in "]}")
        if depth == 0:
            return token.end()
    return None


def _next(text: str, at: int) -> int | None:
    """The position of the next value of the list or map, after the value at *at*; None at its end."""
    end = _end_of(text, at)
    if end is None:
        return None
    comma = _skip(text, end)
    return _skip(text, comma + 1) if text[comma : comma + 1] == "," else None


def _member(text: str, at: int, key: str) -> int | None:
    if text[at : at + 1] != "{":
        return None
    found: int | None = _skip(text, at + 1)
    while found is not None:
        name = _SCALAR.match(text, found)
        if name is None:
            return None
        value = _skip(text, _skip(text, name.end()) + 1)
        if name[0] == f'"{key}"':
            return value
        found = _next(text, value)
    return None
