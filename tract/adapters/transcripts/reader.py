"""Reading a file of conversations of any kind.

A file is one JSON document, a JSON value a line, or the rows of a Parquet file; its first line and then the whole of it decide, not its name. It may be compressed.
A part that cannot be read is a ``Problem`` with its place, and the rest is read.
A file in which nothing looks like a conversation is an ``ImportFormatError``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeAlias

from tract.adapters.transcripts.conversations import Conversation, Format, Found, Problem, Reading, Report
from tract.adapters.transcripts.parquet import MAGIC, read_rows
from tract.adapters.transcripts.places import Places
from tract.adapters.transcripts.shapes import NotFound, Place, Shapes, likely_key
from tract.adapters.transcripts.strictjson import Parser, Refused, describe, parse
from tract.adapters.transcripts.table import FORMATS, formats_for
from tract.adapters.transcripts.unpacking import opened
from tract.errors import ImportFormatError
from tract.objects.collector import without_collections
from tract.objects.message_format import JSON, MESSAGE_FORMATS

Progress: TypeAlias = Callable[[int, int], None]

_PROGRESS_STEP = 1 << 20
_HEAD = 4096
_KEYS_TOLD = 8
_LOOKED_AT = 50
"""The number of a document's values that are checked for being records."""


def read_transcript(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    key: str | None = None,
    on_progress: Progress | None = None,
) -> Reading:
    """The conversations in the file *path*, which may be compressed with gzip or zstd.

    *format* is one of ``FORMATS``, None to detect it.
    *key* names the list of messages in each object, dotted if it is nested (``request.messages``).
    *on_progress* is called with the bytes read so far and in all.
    ImportFormatError for a file that is not a conversation.
    """
    if format is not None and format not in FORMATS:
        raise ImportFormatError(f"unknown format {format!r}; known are {', '.join(FORMATS)}")
    reader = _Reader(Path(path), format, key, on_progress or _ignore)
    try:
        with opened(path) as file, without_collections():
            reader.read(file)
    except OSError as exc:
        detail = f"it cannot be read: {(exc.strerror or str(exc)).lower()}"
        raise ImportFormatError(f"'{path}': {detail}", str(path), None, detail) from exc
    return reader.reading()


class _Reader:
    """One reading under way: its options, and the findings so far."""

    def __init__(self, path: Path, format: str | None, key: str | None, on_progress: Progress) -> None:
        self.path = path
        self.format = format
        self.on_progress = on_progress
        self.report = Report(str(path))
        self._parser = Parser()
        self._formats = formats_for(format)
        self._records = [format for format in self._formats if format.scope == "records"]
        self._shapes = Shapes(self._formats, key)
        self._conversations: list[Conversation] = []
        self._noted: set[Problem] = set()
        self._found_format = format

    def reading(self) -> Reading:
        """The result."""
        report = self.report
        return Reading(
            tuple(self._conversations),
            (*report.problems, *report.uncounted()),
            self._found_format or "unknown",
            tuple(report.notes),
        )

    def read(self, file: BinaryIO) -> None:
        head = file.read(_HEAD)
        file.seek(0)
        for format in self._formats:
            if format.scope == "file" and format.detect(head):
                self._take(Found("", [file], path=self.path), format)
                return
        if head.startswith(MAGIC):
            self._read_value(list(read_rows(file, str(self.path), partial(self._report_mended, None))))
            return
        first, more = _next_line(file), bool(_next_line(file))
        file.seek(0)
        looks_like_json = first.startswith((b"{", b"["))
        may_be_lines = bool(self._records) and self.format is not None and not first.startswith(b"[")
        is_line = looks_like_json and (more or may_be_lines) and not isinstance(parse(first), Refused)
        forced_lines = may_be_lines and (is_line or self._mostly_json_lines(file))
        if not first:
            self.report(None, "the file is empty")
        elif forced_lines or (more and is_line):
            self._read_records(self._lines(file))
        elif looks_like_json:
            self._read_document(file)
        elif more and self._mostly_json_lines(file):
            self._read_records(self._lines(file))
        else:
            raise self._unreadable(f"text that begins {first[:40].decode('utf-8', 'replace')!a}")

    def _read_document(self, file: BinaryIO) -> None:
        data = file.read()
        value = self._parser.parse(data, partial(self._report_mended, None))
        if not isinstance(value, Refused):
            self._read_value(value)
            self._find_lines(data)
            self.on_progress(len(data), len(data))
        elif self._mostly_json_lines(file):
            self._read_records(self._lines(file))
        else:
            raise self._unreadable(f"text that is {value.reason}", line=value.line)

    def _find_lines(self, data: bytes) -> None:
        """Add the line to problems that name a place in the document."""
        places: Places | None = None
        for told in (self.report.problems, self.report.notes):
            for number, problem in enumerate(told):
                place = _PLACE.match(problem.detail)
                if problem.line is None and place is not None:
                    places = places or Places(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))
                    told[number] = problem._replace(line=places.line_of(place[1]))

    def _read_value(self, value: JSON) -> None:
        if value == [] or value == {}:
            self.report(None, "no conversation in it")
            return
        values = value if isinstance(value, list) else [value]
        record_format = self._record_format(values[:_LOOKED_AT])
        if record_format is not None:
            self._take(Found("", values), record_format)
            return
        found = list(self._shapes.conversations(value, partial(self._tell_left, None)))
        if any(not isinstance(each, NotFound) for each in found):
            self._read_found(found, [None] * len(found))
        elif self._shapes.message_in(value) is not None:
            self._read_lines_of_messages(iter([(1, value)]))
        else:
            raise self._unreadable(describe(value), value)

    def _record_format(self, values: list[JSON]) -> Format | None:
        for format in self._records:
            if self.format is not None or any(map(format.detect, values)):
                return format
        return None

    def _read_records(self, records: Iterator[tuple[int, JSON]]) -> None:
        held, format = self._look_ahead(records)
        if format is None:
            self._read_lines_of_messages(chain(held, records))
            return
        lines, values = zip(*chain(held, records), strict=True) if held else ((), ())
        self._take(Found("", list(values), lines=lines, path=self.path), format)

    def _look_ahead(self, records: Iterator[tuple[int, JSON]]) -> tuple[list[tuple[int, JSON]], Format | None]:
        """The records up to the first that identifies the file, and its format of scope ``records``, if any."""
        held: list[tuple[int, JSON]] = []
        for line, value in records:
            held.append((line, value))
            format = self._record_format([value])
            if format is not None:
                return held, format
            if self._shapes.message_in(value) is not None or self._has_conversation(value):
                break
        return held, None

    def _has_conversation(self, value: JSON) -> bool:
        return any(not isinstance(each, NotFound) for each in self._shapes.conversations(value))

    def _read_lines_of_messages(self, records: Iterator[tuple[int, JSON]]) -> None:
        """Read a message a line, which together are one conversation, or a conversation a line."""
        loose: list[JSON] = []
        loose_lines: list[int] = []
        found: list[Place | NotFound] = []
        lines: list[int | None] = []
        for line, value in records:
            message = self._shapes.message_in(value)
            is_alone = message is not None and not self._shapes.may_hold(value)
            here = [] if is_alone else list(self._shapes.conversations(value, partial(self._tell_left, line)))
            if message is not None and all(isinstance(each, NotFound) for each in here):
                loose.append(message)
                loose_lines.append(line)
            else:
                found.extend(here)
                lines.extend([line] * len(here))
        format = self._shapes.format_of(loose)
        if format is None and all(isinstance(each, NotFound) for each in found):
            at, value = next(((line, each.value) for line, each in zip(lines, found, strict=True)), (None, None))  # type: ignore[union-attr]  # all are
            raise self._unreadable(describe(value), value, at)
        total = bool(loose) + sum(not isinstance(each, NotFound) for each in found)
        if format is not None:
            self._take(Found("", loose, lines=loose_lines), format, total)
        self._read_found(found, lines, total)

    def _read_found(self, found: list[Place | NotFound], lines: list[int | None], total: int | None = None) -> None:
        total = total or len(found)
        for each, line in zip(found, lines, strict=True):
            if not isinstance(each, NotFound):
                self._take(each[0]._replace(lines=[] if line is None else [line]), each[1], total)
            else:
                where = f"{each.place}: " if each.place else ""
                what = "" if isinstance(each.value, Refused) else "neither a message nor a conversation: "
                self.report(line, f"{where}{what}{describe(each.value)}")

    def _take(self, found: Found, format: Format, total: int = 1) -> None:
        """Read the found values; of *total* conversations each is named by its number."""
        number = len(self._conversations) + 1
        name = f"{self.path.stem}-{number}" if total > 1 else self.path.stem
        for conversation in self._conversations_in(name, found, format):
            self._conversations.append(conversation)
            if self._found_format is None:
                said = conversation.branches[0].turns[0].format if conversation.branches[0].turns else format.name
                self._found_format = said if format.name in MESSAGE_FORMATS else format.name

    def _conversations_in(self, name: str, found: Found, format: Format) -> list[Conversation]:
        """The conversations that the format's reader yields; a value of an unexpected kind costs only itself."""
        told = Report(str(self.path))
        try:
            made = list(format.read(name, found, told))
        except _BROKEN as exc:
            whole = self._without_broken(name, found, format)
            if whole is None:
                self.report(found.line(0), f"{found.place or name}: not in the form of {format.name}: {str(exc)[:80]}")
                return []
            return self._conversations_in(name, whole, format)
        self.report.add(told)
        self.report.notes += [one for one in told.notes if one not in self._noted]
        self._noted.update(told.notes)  # a note about a thousand conversations is reported once
        return made

    def _without_broken(self, name: str, found: Found, format: Format) -> Found | None:
        """The found values without those that cannot be read even by themselves, which are reported; None if all or none are left."""
        kept: list[int] = []
        for index, value in enumerate(found.values if format.scope in ("messages", "records") else ()):
            try:
                list(format.read(name, found._replace(values=[value], lines=[found.line(index)]), Report()))
            except _BROKEN:
                self.report(found.line(index), f"{found.place}[{index}]: not in the form of {format.name}")
            else:
                kept.append(index)
        if not kept or len(kept) == len(found.values):
            return None
        return found._replace(values=[found.values[at] for at in kept], lines=[found.line(at) for at in kept])

    def _mostly_json_lines(self, file: BinaryIO) -> bool:
        """Whether at least as many lines are JSON objects or lists as are not; one is enough if the file's name says so."""
        file.seek(0)
        good = bad = 0
        for line in file:
            if line.strip():
                value = parse(line.rstrip(b"\r\n"))
                good, bad = (good + 1, bad) if isinstance(value, (dict, list)) else (good, bad + 1)
        file.seek(0)
        return good > 0 and (good >= bad or self.path.suffix in (".jsonl", ".ndjson")) and good + bad > 1

    def _lines(self, file: BinaryIO) -> Iterator[tuple[int, JSON]]:
        """Each line's number and value; blank lines are passed over."""
        total = file.seek(0, os.SEEK_END)
        file.seek(0)
        done = told = 0
        for number, line in enumerate(file, 1):
            done += len(line)
            if not line.isspace():
                yield number, self._parser.parse(line.rstrip(b"\r\n"), partial(self._report_mended, number))
            if done - told >= _PROGRESS_STEP:
                self.on_progress(done, total)
                told = done
        self.on_progress(done, total)

    def _tell_left(self, line: int | None, name: str, keys: list[str]) -> None:
        shown = ", ".join(f"{key[:40]!a}" for key in keys[:_KEYS_TOLD]) + (", …" if len(keys) > _KEYS_TOLD else "")
        self.report.note_once(line, f"what stands beside '{name}' is left out: {shown}")

    def _report_mended(self, line: int | None, place: str, detail: str) -> None:
        self.report(line, f"{place}: {detail}" if place else detail)

    def _unreadable(self, found: str, value: JSON = None, line: int | None = None) -> ImportFormatError:
        key = likely_key(value, Shapes(self._formats, None))
        asked = (
            f"no '{self.format}' conversation" if self.format is not None else "not a conversation that tract can read"
        )
        return ImportFormatError(
            f"'{self.path}' is {asked}: found {found}",
            str(self.path),
            line,
            f"{asked}: found {found}",
            likely_key=key,
            formats=FORMATS,
        )


_BROKEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""The exceptions of reading a value of a wrong type, such as a text where the format has an object."""

# The beginning of a problem in a document: ``[3]: …``, ``messages[3].content: …``.
_PLACE = re.compile(r"((?:[^\s:\[\].]+)?(?:\[\d+\]|\.[^\s:\[\].]+)*\[\d+\])[^\s:]*: ")


def _ignore(_done: int, _total: int) -> None:
    """Report no progress."""


def _next_line(file: BinaryIO) -> bytes:
    """The next line that is not blank, stripped, or no bytes at the end."""
    return next((text for line in file if (text := line.removeprefix(b"\xef\xbb\xbf").strip())), b"")
