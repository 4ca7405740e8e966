"""Reading a file of conversations, whatever kind it is.

A file is one JSON document or a JSON value a line, which its first line and then the whole of it decide, not its name.
What cannot be read is a ``Problem`` with its place, and the rest is read.
A file in which nothing looks like a conversation is an ``ImportFormatError``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeAlias

from tract.adapters.transcripts.claude_code import is_claude_code_record, read_claude_code
from tract.adapters.transcripts.formats import is_message, is_sharegpt_item
from tract.adapters.transcripts.messages import read_messages
from tract.adapters.transcripts.model import Conversation, Problem, Reading
from tract.adapters.transcripts.places import Places
from tract.adapters.transcripts.shapes import Found, NotFound, dig, find_conversations
from tract.adapters.transcripts.sharegpt import read_sharegpt
from tract.adapters.transcripts.strictjson import Refused, describe, parse
from tract.errors import ImportFormatError
from tract.objects.message_format import JSON, MESSAGE_FORMATS

FORMATS: tuple[str, ...] = (*MESSAGE_FORMATS, "sharegpt", "claude-code")
"""The formats that can be read, by the names that ``read_transcript`` takes and gives."""

Progress: TypeAlias = Callable[[int, int], None]

_PROGRESS_STEP = 1 << 20


def read_transcript(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    key: str | None = None,
    on_progress: Progress | None = None,
) -> Reading:
    """The conversations in the file *path*.

    *format* is one of ``FORMATS``, None to find out.
    *key* names the list of messages in each object, dotted where it lies deeper (``request.messages``).
    *on_progress* is called with the bytes done and in all.
    Raises ImportFormatError for a file that is no conversation.
    """
    if format is not None and format not in FORMATS:
        raise ImportFormatError(f"unknown format {format!r}; known are {', '.join(FORMATS)}")
    reader = _Reader(Path(path), format, key, on_progress or _ignore)
    try:
        with open(path, "rb") as file:
            reader.read(file)
    except OSError as exc:
        raise ImportFormatError(f"cannot read '{path}': {(exc.strerror or str(exc)).lower()}") from exc
    return Reading(tuple(reader.conversations), tuple(reader.problems), reader.found_format or "unknown")


class _Reader:
    """One reading under way: what was asked, and what was found so far."""

    def __init__(self, path: Path, format: str | None, key: str | None, on_progress: Progress) -> None:
        self.path = path
        self.format = format
        self.key = key
        self.on_progress = on_progress
        self.conversations: list[Conversation] = []
        self.problems: list[Problem] = []
        self.found_format = format

    def read(self, file: BinaryIO) -> None:
        first, more = _next_line(file), bool(_next_line(file))
        file.seek(0)
        looks_like_json = first.startswith((b"{", b"["))
        if not first:
            self.report(None, "the file is empty")
        elif self.format == "claude-code" or (more and looks_like_json and not isinstance(parse(first), Refused)):
            self._read_records(_read_lines(file, self.on_progress))
        elif looks_like_json:
            self._read_document(file)
        elif more and _mostly_json_lines(file, self.path):
            self._read_records(_read_lines(file, self.on_progress))
        else:
            raise self._unreadable(f"text that begins {first[:40].decode('utf-8', 'replace')!a}")

    def report(self, line: int | None, detail: str) -> None:
        self.problems.append(Problem(str(self.path), line, detail))

    def _read_document(self, file: BinaryIO) -> None:
        data = file.read()
        value = parse(data)
        if not isinstance(value, Refused):
            self._read_value(value)
            self._find_lines(data)
            self.on_progress(file.tell(), file.tell())
        elif _mostly_json_lines(file, self.path):
            self._read_records(_read_lines(file, self.on_progress))
        else:
            self.report(value.line, value.reason)

    def _find_lines(self, data: bytes) -> None:
        """Say of problems that name a place in the document on which line it is."""
        places: Places | None = None
        for number, problem in enumerate(self.problems):
            place = _PLACE.match(problem.detail)
            if problem.line is None and place is not None:
                places = places or Places(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
                self.problems[number] = replace(problem, line=places.line_of(place[1]))

    def _read_value(self, value: JSON) -> None:
        if value == [] or value == {}:
            self.report(None, "no conversation in it")
        elif is_claude_code_record(value) or (is_message(value) and self._only_message(value)):
            self._read_records(iter([(1, value)]))
        else:
            found = list(find_conversations(value, self.key))
            if all(isinstance(each, NotFound) for each in found):
                raise self._unreadable(describe(value))
            self._read_found(found, [None] * len(found))

    def _read_records(self, records: Iterator[tuple[int, JSON]]) -> None:
        held, claude_code = self._look_ahead(records)
        if claude_code:
            self.found_format = "claude-code"
            conversation = read_claude_code(self.path.stem, chain(held, records), self.report)
            if conversation is not None:
                self.conversations.append(conversation)
        else:
            self._read_lines_of_messages(chain(held, records))

    def _look_ahead(self, records: Iterator[tuple[int, JSON]]) -> tuple[list[tuple[int, JSON]], bool]:
        """The records up to the first that says what the file is, and whether it is a Claude Code transcript."""
        held: list[tuple[int, JSON]] = []
        for line, value in records:
            held.append((line, value))
            if self.format == "claude-code" or (self.format is None and is_claude_code_record(value)):
                return held, True
            if self._holds_messages(value):
                break
        return held, False

    def _holds_messages(self, value: JSON) -> bool:
        chosen = dig(value, self.key) if self.key is not None else value
        return is_message(chosen) or any(isinstance(each, Found) for each in find_conversations(value, self.key))

    def _only_message(self, value: dict[str, JSON]) -> bool:
        return not any(isinstance(each, Found) for each in find_conversations(value, self.key))

    def _read_lines_of_messages(self, records: Iterator[tuple[int, JSON]]) -> None:
        """A message a line, which together are one conversation, or a conversation a line."""
        loose: list[JSON] = []
        loose_lines: list[int] = []
        found: list[Found | NotFound] = []
        lines: list[int | None] = []
        for line, value in records:
            here = list(find_conversations(value, self.key))
            chosen = dig(value, self.key) if self.key is not None else value
            if is_message(chosen) and all(isinstance(each, NotFound) for each in here):
                loose.append(chosen)
                loose_lines.append(line)
            else:
                found.extend(here)
                lines.extend([line] * len(here))
        if not loose and not any(isinstance(each, Found) for each in found):
            raise self._unreadable(describe(next((each.value for each in found if isinstance(each, NotFound)), None)))
        total = bool(loose) + sum(isinstance(each, Found) for each in found)
        if loose:
            self._add(Found("", loose), total, loose_lines)
        self._read_found(found, lines, total)

    def _read_found(self, found: list[Found | NotFound], lines: list[int | None], total: int | None = None) -> None:
        total = total or len(found)
        for each, line in zip(found, lines, strict=True):
            if isinstance(each, Found):
                self._add(each, total, [line] if line is not None else None)
            else:
                where = f"{each.place}: " if each.place else ""
                what = "" if isinstance(each.value, Refused) else "neither a message nor a conversation: "
                self.report(line, f"{where}{what}{describe(each.value)}")

    def _add(self, found: Found, total: int, lines: list[int] | None) -> None:
        name = f"{self.path.stem}-{len(self.conversations) + 1}" if total > 1 else self.path.stem
        conversation: Conversation | None
        if self.format == "sharegpt" or (self.format is None and any(map(is_sharegpt_item, found.messages))):
            conversation, format = read_sharegpt(name, found, self.report, lines), "sharegpt"
        else:
            wanted = self.format if self.format in MESSAGE_FORMATS else None
            conversation, format = read_messages(name, found, wanted, self.report, lines)
        if conversation is not None:
            self.conversations.append(conversation)
            self.found_format = self.found_format or format

    def _unreadable(self, found: str) -> ImportFormatError:
        return ImportFormatError(f"'{self.path}' is no conversation tract can read: found {found}")


# What a problem in a document begins with: ``[3]: …``, ``messages[3].content: …``.
_PLACE = re.compile(r"((?:[^\s:\[\].]+)?(?:\[\d+\]|\.[^\s:\[\].]+)*\[\d+\])[^\s:]*: ")


def _mostly_json_lines(file: BinaryIO, path: Path) -> bool:
    """Whether at least as many lines are JSON objects or lists as are not; one is enough where the name says so."""
    file.seek(0)
    good = bad = 0
    for _, value in _read_lines(file, _ignore):
        good, bad = (good + 1, bad) if isinstance(value, (dict, list)) else (good, bad + 1)
    file.seek(0)
    return good > 0 and (good >= bad or path.suffix in (".jsonl", ".ndjson")) and good + bad > 1


def _ignore(_done: int, _total: int) -> None:
    """The progress that nobody asked for."""


def _next_line(file: BinaryIO) -> bytes:
    """The next line that is not blank, stripped, or no bytes at the end."""
    return next((text for line in file if (text := line.removeprefix(b"\xef\xbb\xbf").strip())), b"")


def _read_lines(file: BinaryIO, on_progress: Progress) -> Iterator[tuple[int, JSON]]:
    """Each line's number and value; blank lines are passed over."""
    total = os.fstat(file.fileno()).st_size
    done = told = 0
    for number, line in enumerate(file, 1):
        done += len(line)
        if line.strip():
            yield number, parse(line.rstrip(b"\r\n"))
        if done - told >= _PROGRESS_STEP:
            on_progress(done, total)
            told = done
    on_progress(done, total)
