"""Reading a transcript as it grows: on from where the last reading ended, or from its beginning where that cannot be.

    ………… recorded …………│ last step │ … new lines … │ half a line
                   start ┘           └ seen                └ left for the next reading

A reading begins at the last step that was recorded, so that what is new finds what it follows; keys say what of it is there already.
Where that is, is kept in the store as a :class:`Mark`, with a check of the bytes before it: a file that was truncated, replaced or rotated is read whole.
So is one whose new lines refer to what stands further up.
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
"""The bytes at the beginning of a transcript, and before where the last reading ended, that say whether it is still the same."""

_VERSION = 1


Stamps: TypeAlias = Mapping[str, Sequence[int]]
"""Files by their paths, each with its size and time: a file that has another was changed."""


class Mark(NamedTuple):
    """Where the next reading of a transcript begins: at byte *start*, with *line* lines and *number* records before it.

    *seen* bytes were read so far, and *check* is of the first and the last of them. *context* are records that hold from before *start* on.
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
    """Lines as values: where each begins, its number in the file, and where the line behind the last one begins."""

    values: list[JSON]
    starts: list[int]
    lines: list[int]
    end: int

    def upto(self, count: int) -> Records:
        """The first *count* of them."""
        end = self.starts[count] if count < len(self.starts) else self.end
        return Records(self.values[:count], self.starts[:count], self.lines[:count], end)

    def place(self, line: int | None) -> int:
        """The record of that line, the first one where it is of none."""
        return self.lines.index(line) if line in self.lines else 0


class Reading(NamedTuple):
    """What a transcript's end, or all of it, says: a conversation, None where there is no message yet; and the mark for the next time."""

    conversation: Conversation | None
    mark: Mark | None
    problems: int
    read: int = 0
    """The bytes that were."""


class End(NamedTuple):
    """What the event says of the transcript's end: whether the session *is_over*; and whether a turn may be under way, so that a step *waits* to be done."""

    is_over: bool
    waits: bool


class Kind(Protocol):
    """What a program's transcripts need to be read from the middle."""

    has_head: bool
    """Whether the first line of the file is read with each part of it."""

    def leans_back(self, values: Sequence[JSON]) -> bool:
        """Whether *values*, the end of a transcript, cannot be understood without what stands before them."""

    def ready(self, values: Sequence[JSON], *, is_over: bool) -> int:
        """How many of *values* can be read now; the others wait for what comes behind them, unless the session *is_over*."""

    def read(self, name: str, found: Found, report: Report, *, waits: bool) -> Conversation | None:
        """The conversation in *found*, which is called *name*; where it *waits*, without a step at its end that is not done."""

    def with_agents(
        self, conversation: Conversation, path: str, values: Sequence[JSON], report: Report, known: Stamps, end: End
    ) -> tuple[Conversation, Stamps]:
        """*conversation* with those agents whose files are not as they are *known*; and the files as they are now."""

    def restart(self, conversation: Conversation, records: Records) -> int:
        """The record at which the next reading begins."""

    def context(self, values: Sequence[JSON]) -> list[JSON]:
        """Of *values*, those that hold for all behind them."""


def follow(path: str, format: str, kind: Kind, mark: Mark | None, end: End) -> Reading | None:
    """What stands in the transcript from *mark* on, all of it without one; None where that cannot be told from there, or it is no file of lines."""
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
    """What the conversation of a transcript is called: its file."""
    return os.path.splitext(os.path.basename(path))[0]


def _read(file: BinaryIO, mark: Mark | None, report: Report, end: End) -> Records:
    """The lines from *mark* on; one that has no end yet is left, unless the session is over."""
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
    """The first line as a value; none where it is no object."""
    file.seek(0)
    value = Parser().parse(file.readline().strip(), lambda _place, _detail: None)
    return [value] if isinstance(value, dict) else []


# The mark


def _check(file: BinaryIO, seen: int) -> str:
    """Of the first bytes, and of the last before *seen*: what a transcript that only grew keeps."""
    file.seek(0)
    head = file.read(min(_CHECKED, seen))
    file.seek(max(0, seen - _CHECKED))
    return blake3(head + b"\0" + file.read(min(_CHECKED, seen))).hexdigest()[:32]


def _fits(mark: Mark, path: str, format: str, file: BinaryIO) -> bool:
    """Whether the transcript is the one that was read, and only grew."""
    size = os.fstat(file.fileno()).st_size
    return mark.path == path and mark.format == format and mark.seen <= size and mark.check == _check(file, mark.seen)


def load_mark(path: str) -> Mark | None:
    """The mark that was saved at *path*; None where there is none, or what is there is none."""
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
    """Keep *mark* for the next reading, or forget the last one: then all is read again, and found to be there."""
    if mark is None:
        files.unlink(path)
        return
    files.write_file(
        path,
        compact_json({"version": _VERSION, **mark._asdict(), "agents": dict(mark.agents)}).encode("utf-8"),
        sync=False,
    )
