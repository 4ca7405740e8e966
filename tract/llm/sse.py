"""Server-sent events, read as they come.

    event: name          a line ends in LF, CR LF or CR
    data: text           several are joined by LF; one space after the colon is not part of the text
    : comment            left out, as are unknown fields
                         an empty line ends the event; without data it is no event

The HTML standard has these rules.
"""

from __future__ import annotations

import re

from tract.errors import LLMResponseError
from tract.named_tuple import NamedTuple

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    name: str
    data: str


class EventParser:
    """Takes bytes, however they are cut, and returns whole events.

    Lines are decoded whole, so a cut may fall inside a character.
    An event is complete only when an empty line ends it.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []  # the received part of an unfinished line
        self._after_cr = False
        self._first = True
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that *chunk* completes."""
        if not chunk:
            return []
        ends_in_cr = chunk.endswith(b"\r")
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the other half of a CR LF that was cut between them
        self._after_cr = ends_in_cr
        first, *others = _LINE_END.split(chunk)
        self._line.append(first)
        events = []
        for start_of_next in others:
            event = self._end_line(b"".join(self._line))
            self._line = [start_of_next]
            if event is not None:
                events.append(event)
        return events

    def _end_line(self, line: bytes) -> Event | None:
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        if not line:
            return self._end_event()
        field, _, value = line.partition(b":")
        text = self._decode(value.removeprefix(b" "))
        if field == b"data":
            self._data.append(text)
        elif field == b"event":
            self._name = text
        return None

    def _end_event(self) -> Event | None:
        event = Event(self._name, "\n".join(self._data)) if self._data else None
        self._name, self._data = "", []
        return event

    def _decode(self, value: bytes) -> str:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise LLMResponseError("an event of the stream is not UTF-8") from exc
