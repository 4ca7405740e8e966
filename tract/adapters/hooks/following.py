"""Reading a transcript as it grows: on from the end of the last reading, or from its beginning if that is impossible.

    ………… recorded …………│ last step │ … new lines … │ half a line
                   start ┘           └ seen                └ left for the next reading

A reading begins at the last recorded step, so that new records find the one they follow; keys identify the records already committed.
The store keeps that position as a :class:`Mark`, with a check of the bytes before it: a file that was truncated, replaced or rotated is read whole.
So is one whose new lines refer to records before that position.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from blake3 import blake3

from tract.adapters.transcripts.conversations import Conversation, Found, Report
from tract.adapters.transcripts.strictjson import Parser, Refused
from tract.annotations import BinaryIO, Protocol, TypeAlias
from tract.named_tuple import NamedTuple
from tract.objects.json import NotJsonError, compact_json, parse_json
from tract.objects.message_format import JSON
from tract.storage import files

_CHECKED = 4096
"""The number of bytes at the beginning of a transcript, and before the end of the last reading, that are checked for a change."""

_VERSION = 1


Stamps: TypeAlias = Mapping[str, Sequence[int]]
"""Files by their paths, each with its size and time: if these differ, the file was changed."""


class Mark(NamedTuple):
    """The start of the next reading of a transcript: at byte *start*, with *line* lines and *number* records before it.

    *seen* bytes were read so far, and *check* is of the first and the last of them. *context* are earlier records that still apply from *start* on.
    *agents* are the files of agents that were read.
    """

    path: str
    format: str
    start: int
    line: int
    number: int
    seen: int
    check: str
    context: Sequence[JSON] = ()
    agents: Stamps = MappingProxyType({})


class Records(NamedTuple):
    """Lines as values: the start of each, its number in the file, and the start of the line behind the last one."""

    values: list[JSON]
    starts: list[int]
    lines: list[int]
    end: int

    def upto(self, count: int) -> Records:
        """The first *count* records."""
        end = self.starts[count] if count < len(self.starts) else self.end
        return Records(self.values[:count], self.starts[:count], self.lines[:count], end)

    def place(self, line: int | None) -> int:
        """The record of that line; the first one if no record has it."""
        return self.lines.index(line) if line in self.lines else 0


class Reading(NamedTuple):
    """The result of reading a transcript, or its end: a conversation, None if there is no message yet; and the mark for the next time."""

    conversation: Conversation | None
    mark: Mark | None
    problems: int
    read: int = 0
    """The number of bytes read."""


class End(NamedTuple):
    """The state of the transcript's end by the event: whether the session *is_over*; and whether a turn may be under way, so that an unfinished step *waits*."""

    is_over: bool
    waits: bool


class Kind(Protocol):
    """The support that a program's transcripts need to be read from the middle."""

    has_head: bool
    """Whether every reading includes the first line of the file."""

    def leans_back(self, values: Sequence[JSON]) -> bool:
        """Whether *values*, the end of a transcript, cannot be understood without earlier records."""

    def ready(self, values: Sequence[JSON], *, is_over: bool) -> int:
        """How many of *values* can be read now; the others wait for records behind them, unless the session *is_over*."""

    def read(self, name: str, found: Found, report: Report, *, waits: bool) -> Conversation | None:
        """The conversation in *found*, named *name*; if it *waits*, without an unfinished last step."""

    def with_agents(
        self, conversation: Conversation, path: str, values: Sequence[JSON], report: Report, known: Stamps, end: End
    ) -> tuple[Conversation, Stamps]:
        """*conversation* with the agents whose files differ from *known*; and the present stamps of the files."""

    def restart(self, conversation: Conversation, records: Records) -> int:
        """The record at which the next reading begins."""

    def context(self, values: Sequence[JSON]) -> list[JSON]:
        """The *values* that apply to all records behind them."""


def follow(path: str, format: str, kind: Kind, mark: Mark | None, end: End) -> Reading | None:
    """The content of the transcript from *mark* on, or all of it; None if it cannot be read from there, or is not a file of lines."""
    report = Report(path)
    with open(path, "rb") as file:
        if mark is not None and not _fits(mark, path, format, file):
            return None
        head = _head(file) if kind.has_head and mark is not None else []
        records = _read(file, mark, report, end)
        if mark is not None and kind.leans_back(records.values):
            return None
        records = records.upto(kind.ready(records.values, is_over=end.is_over))
        check = _check(file, records.end)
    if mark is None and (not records.values or isinstance(records.values[0], Refused)):
        return None
    before = [*head, *(mark.context if mark is not None else ())]
    number = mark.number if mark is not None else 0
    lines: list[int | None] = [*[None] * len(before), *records.lines]
    found = Found("", [*before, *records.values], lines=lines, first=number - len(before))
    conversation = kind.read(_name(path), found, report, waits=end.waits) if records.values else None
    read = records.end - (mark.start if mark is not None else 0)
    if conversation is None:
        return Reading(None, mark, len(report.problems), read)
    known = mark.agents if mark is not None else {}
    conversation, agents = kind.with_agents(conversation, path, records.values, report, known, end)
    at = kind.restart(conversation, records)
    context = kind.context([*before[len(head) :], *records.values[:at]])
    start = records.starts[at] if records.starts else records.end
    line = records.lines[at] - 1 if records.lines else 0
    after = Mark(
        path, format, start, line, number=number + at, seen=records.end, check=check, context=context, agents=agents
    )
    return Reading(conversation, after, len(report.problems), read)


def _name(path: str) -> str:
    """The name of a transcript's conversation: its file's."""
    return os.path.splitext(os.path.basename(path))[0]


def _read(file: BinaryIO, mark: Mark | None, report: Report, end: End) -> Records:
    """The lines from *mark* on; an unfinished line is left, unless the session is over."""
    parser = Parser()
    at, number = (mark.start, mark.line) if mark is not None else (0, 0)
    file.seek(at)
    records = Records([], [], [], 0)
    for line in file:
        is_whole = line.endswith(b"\n")
        if not is_whole and not end.is_over:
            break
        number += 1
        if line.strip():
            told: Callable[[str, str], None] = partial(_report, report, number)
            records.values.append(parser.parse(line.rstrip(b"\r\n"), told))
            records.starts.append(at)
            records.lines.append(number)
        at += len(line)
    return records._replace(end=at)


def _report(report: Report, line: int, place: str, detail: str) -> None:
    report(line, f"{place}: {detail}" if place else detail)


def _head(file: BinaryIO) -> list[JSON]:
    """The first line as a value; empty if it is not an object."""
    file.seek(0)
    value = Parser().parse(file.readline().strip(), lambda _place, _detail: None)
    return [value] if isinstance(value, dict) else []


# The mark


def _check(file: BinaryIO, seen: int) -> str:
    """A hash of the first bytes and of the last before *seen*, which stays the same while a transcript only grows."""
    file.seek(0)
    head = file.read(min(_CHECKED, seen))
    file.seek(max(0, seen - _CHECKED))
    return blake3(head + b"\0" + file.read(min(_CHECKED, seen))).hexdigest()[:32]


def _fits(mark: Mark, path: str, format: str, file: BinaryIO) -> bool:
    """Whether this is the transcript that was read, and it only grew."""
    size = os.fstat(file.fileno()).st_size
    return mark.path == path and mark.format == format and mark.seen <= size and mark.check == _check(file, mark.seen)


def load_mark(path: str) -> Mark | None:
    """The mark saved at *path*; None if there is none, or it is invalid."""
    try:
        value = parse_json(files.read_file(path).decode("utf-8"))
        if not isinstance(value, dict) or value.pop("version") != _VERSION:
            return None
        mark = Mark(**value)
    except (OSError, ValueError, KeyError, TypeError, NotJsonError):
        return None
    numbers = (mark.start, mark.line, mark.number, mark.seen)
    is_one = all(type(one) is int and one >= 0 for one in numbers) and mark.start <= mark.seen
    return mark if is_one and isinstance(mark.agents, dict) and isinstance(mark.context, list) else None


def save_mark(path: str, mark: Mark | None) -> None:
    """Save *mark* for the next reading. None deletes the last one: then everything is read again, and found to be recorded."""
    if mark is None:
        files.unlink(path)
        return
    files.write_file(
        path,
        compact_json({"version": _VERSION, **mark._asdict(), "agents": dict(mark.agents)}).encode("utf-8"),
        sync=False,
    )
