"""The contents of a file of conversations, as values; and the interface of a format's reader."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from tract.annotations import TYPE_CHECKING, Any, Literal, TypeAlias
from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON, MessageFormat

if TYPE_CHECKING:
    from pathlib import Path


class Turn(NamedTuple):
    """One message to commit, verbatim.

    *time* is aware, in UTC, or None if the file has none.
    *usage* is the provider's usage dict that was found beside the message, *config* the model that answered and its settings.
    *metadata* has other facts of the file about this message that are worth keeping. *key* is the program's own name for it.
    If it *summarises*, it is a compaction: it replaced everything before it on its line, except the turns with the keys that it *keeps*.
    *clears* are calls whose results' contents were removed from the context before it.
    """

    message: dict[str, JSON]
    format: MessageFormat
    time: datetime | None = None
    usage: dict[str, JSON] | None = None
    config: dict[str, JSON] | None = None
    metadata: dict[str, JSON] = {}  # noqa: RUF012  # no code changes a turn's metadata
    key: str | None = None
    line: int | None = None
    summarises: bool = False
    keeps: frozenset[str] = frozenset()
    clears: frozenset[str] = frozenset()


class Branch(NamedTuple):
    """A line of history, from its root.

    The first *shared* turns are the same as those of branch *parent*, an index into ``Conversation.branches`` that is lower than this branch's own.
    A line with a root of its own has parent None and shares nothing.
    """

    name: str
    turns: tuple[Turn, ...]
    shared: int = 0
    parent: int | None = None


class Child(NamedTuple):
    """The conversation of a sub-agent: *purpose* is its task, *call_id* the call of its parent that began it."""

    conversation: Conversation
    purpose: str
    call_id: str | None = None


class Conversation(NamedTuple):
    """The lines of one conversation; the first is the main line.

    *metadata* are facts found beside the messages that are worth keeping: tools, ids, scores.
    *title* is the program's title for it, *id* the program's own name for it.
    """

    name: str
    branches: tuple[Branch, ...]
    metadata: dict[str, JSON] = {}  # noqa: RUF012  # no code changes a conversation's metadata
    title: str | None = None
    id: str | None = None
    children: tuple[Child, ...] = ()


class Problem(NamedTuple):
    """A part of a file that could not be read, while the rest was; or, as a note, a part that was read and left out."""

    file: str
    line: int | None
    detail: str


class Reading(NamedTuple):
    """Everything that was read from a file, and everything that could not be. *format* is ``unknown`` if nothing was read.

    *notes* name parts left out because the program meant it so, or tract has no place for them; no message is lost.
    """

    conversations: tuple[Conversation, ...]
    problems: tuple[Problem, ...]
    format: str
    notes: tuple[Problem, ...] = ()


_MOST_ALIKE = 1000
"""So many problems of one kind are told each with its place; of the rest only how many there are."""

# What two problems of one kind may differ in: their place, and what is quoted.
_PARTICULARS = re.compile(r"\[\d+\]|'[^']*'")


class Report:
    """Collects the parts that could not be read, and those left out, each with its line (None: no line to name)."""

    def __init__(self, file: str = "") -> None:
        self._file = file
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self._once: set[str] = set()
        self._alike: Counter[str] = Counter()

    def __call__(self, line: int | None, detail: str) -> None:
        kind = _PARTICULARS.sub("…", detail)
        self._alike[kind] += 1
        if self._alike[kind] <= _MOST_ALIKE:
            self.problems.append(Problem(self._file, line, detail))

    def add(self, other: Report) -> None:
        """Tell the problems of *other* as well."""
        for problem in other.problems:
            self(problem.line, problem.detail)
        for kind, number in other._alike.items():
            self._alike[kind] += max(0, number - _MOST_ALIKE)

    def uncounted(self) -> list[Problem]:
        """For each kind of which not all are among the problems, how many more there are."""
        return [
            Problem(self._file, None, f"{number - _MOST_ALIKE:,} more like this: {kind}")
            for kind, number in self._alike.items()
            if number > _MOST_ALIKE
        ]

    def note(self, line: int | None, detail: str) -> None:
        self.notes.append(Problem(self._file, line, detail))

    def note_once(self, line: int | None, detail: str, about: str | None = None) -> None:
        """A note that is true of many places of the file, reported for the first of them; if *about* is given, for the first with the same *about*."""
        if (about or detail) not in self._once:
            self._once.add(about or detail)
            self.note(line, detail)


class Found(NamedTuple):
    """The input of a reader: values of its format, their place, and the other fields of the object around them.

    *values* are the messages of a list, one object that is a conversation, the records of a file, or the open file itself.
    *lines* has the line of each value if each has one; a single one is the line of them all.
    *first* is the number of the first value in its file, if earlier values are not given.
    """

    place: str
    values: list[JSON]
    beside: dict[str, JSON] = {}  # noqa: RUF012  # readers copy it
    lines: Sequence[int | None] = ()
    path: Path | None = None
    first: int = 0

    def line(self, index: int) -> int | None:
        """The line of value *index*."""
        if len(self.lines) == len(self.values) > index:
            return self.lines[index]
        return self.lines[0] if self.lines else None


Scope: TypeAlias = Literal["messages", "conversation", "records", "file"]


class Format(NamedTuple):
    """A format, and its reader.

    *detect* says whether a value can only be of this format: for scope ``messages`` a message of a list, for ``conversation`` an object that is one conversation, for ``records`` a line of a file that is one conversation, for ``file`` the first bytes of a file.
    *read* yields the conversations in its input; the first of them gets the name *name*.
    """

    name: str
    about: str
    scope: Scope
    detect: Callable[[Any], bool]
    read: Callable[[str, Found, Report], Iterator[Conversation]]


def linear(name: str, turns: Sequence[Turn], metadata: dict[str, JSON], **more: Any) -> Conversation:
    """A conversation of one line."""
    return Conversation(name, (Branch("main", tuple(turns)),), metadata, **more)


def read_time(value: JSON) -> datetime | None:
    """The moment of an ISO text with a zone, or of a number of seconds since 1970; else None."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo is not None else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
