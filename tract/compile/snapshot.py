"""Snapshots: a compiled context from which the next one grows.

    columns   m0 m1 m2 m3 m4 m5 …        one list each for messages, commits, blobs, configs, counts
    snapshot  └─── length 4 ───┘         a view of the first rows
    snapshot  └──── length 6 ──────┘     the next turn's: it shares the rows, nothing is copied
    columns   m0 m1 M2 m3                after an edit: lists of their own, the messages in them shared

A snapshot's key has ids of everything it was made from; an id names content, so a snapshot can never be stale.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from tract.compile.messages import Decode, Item, Messages, message_in_payload
from tract.dataclass import dataclass
from tract.messages.message import CompileWarning, Message
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.ids import Ids

if TYPE_CHECKING:
    from tract.messages.fit_responses import Answers
    from tract.messages.form import Form
    from tract.messages.sent_history import Sending, Sendings
    from tract.storage.counts import BlobCount
    from tract.tokens.unsent import Unsent

_UNKNOWN = -1
_NONE = Ids(b"")

# Searching this many rows costs less than a new map of them all.
_MOST_DRIFT = 512


class Key(NamedTuple):
    """The key of a snapshot: the commit, and the tips of the notes it shows."""

    commit: ObjectId | None
    priority: ObjectId | None
    config: ObjectId | None


class Counts(Protocol):
    """Counts tokens: by blob if a message is a blob's content, else by message."""

    def message_tokens(self, blob: ObjectId) -> int: ...

    def count_of(self, blob: ObjectId) -> BlobCount: ...

    def made_tokens(self, message: Message) -> int: ...

    def is_behind(self, commit: ObjectId, before: ObjectId) -> bool: ...


class Columns:
    """The rows of one or more snapshots, one list a column.

    Rows that a snapshot shows are never changed, only more are added; a change is made in a copy.
    ``made`` are the rows whose message differs from their blob's content. ``counts`` are the tokens of each message by itself, as far as a caller asked for them.

    A map gives each commit's row; it is shared with the columns these were copied from.
    Each row taken out or put in since then moves other rows by one; the *drift* is the number of such changes.
    """

    __slots__ = (
        *("_drift", "_media", "_odd", "_sendings", "_places", "_places_shared", "_totals", "_unsent"),
        *("__weakref__", "_ids", "_packed", "configs", "counts", "made", "messages"),
    )

    def __init__(self, decode: Decode = message_in_payload) -> None:
        self.messages = Messages(decode)
        self._packed = (_NONE, _NONE)
        self._ids: dict[str, list[ObjectId]] = {}
        self.configs: list[Any] = []
        self.counts: list[int] = []
        self.made: set[int] = set()
        self._totals: list[int] = []
        self._media: list[int] = []
        self._odd: list[int] = []  # rows whose sent form depends on other rows
        self._unsent: Unsent | None = None
        self._places: dict[ObjectId, int] | None = {}
        self._places_shared = False
        self._drift = 0
        self._sendings: Sendings | None = None

    def __len__(self) -> int:
        return len(self.configs)

    @property
    def commits(self) -> list[ObjectId]:
        """The commits that introduced the messages; made from packed ids at the first access."""
        # In one step: if two threads ask at once, one of them may already add a row.
        return self._ids.get("commits") or self._ids.setdefault("commits", list(self._packed[0]))

    @property
    def blobs(self) -> list[ObjectId]:
        """The blobs of the messages; made from packed ids at the first access."""
        return self._ids.get("blobs") or self._ids.setdefault("blobs", list(self._packed[1]))

    def place(self, commit: ObjectId) -> int | None:
        """The row of the message that *commit* introduced."""
        if self._places is None or self._drift > _MOST_DRIFT:
            self._places = {commit: at for at, commit in enumerate(self.commits)}
            self._places_shared, self._drift = False, 0
        at = self._places.get(commit)
        if at is None or not self._drift:
            return at
        try:
            return self.commits.index(commit, max(0, at - self._drift), at + self._drift + 1)
        except ValueError:
            return None  # it was removed

    def _set_place(self, commit: ObjectId, at: int) -> None:
        if self._places is not None:
            if self._places_shared:
                self._places, self._places_shared = self._places.copy(), False
            self._places[commit] = at

    def add(self, commit: ObjectId, blob: ObjectId, message: Item, config: Any, *, made: bool = False) -> None:
        """Append a row."""
        self._set_place(commit, len(self.commits))
        if made:
            self.made.add(len(self.commits))
        self.messages.append(message)
        self.commits.append(commit)
        self.blobs.append(blob)
        self.configs.append(config)

    def add_all(self, commits: Sequence[ObjectId], blobs: Sequence[ObjectId], messages: Sequence[Item]) -> None:
        """Append many rows without configs."""
        self._places = None
        self.messages.extend(messages)
        if not self.configs and type(commits) is Ids and type(blobs) is Ids:
            self._packed = commits, blobs
            self._ids.clear()
        else:
            self.commits.extend(commits)
            self.blobs.extend(blobs)
        self.configs += [None] * len(commits)

    def copy(self, length: int) -> Columns:
        """A copy of the first *length* rows."""
        copy = Columns()
        copy.messages = self.messages.copy(length)
        copy._ids = {"commits": self.commits[:length], "blobs": self.blobs[:length]}
        copy.configs = self.configs[:length]
        copy.counts = self.counts[:length]
        copy.made = {at for at in self.made if at < length}
        copy._totals = self._totals[:length]
        copy._media = self._media[:length]
        copy._odd = self._odd[: bisect_left(self._odd, length)]
        copy._places = None
        if len(self) == length:  # both have the same places, until one of them gets another row
            copy._places, copy._drift = self._places, self._drift
            copy._places_shared = self._places_shared = True
        return copy

    def select(self, rows: Sequence[int]) -> Columns:
        """A copy of the rows *rows*, in their order."""
        picked = Columns()
        picked.messages = self.messages.select(rows)
        commits, blobs = self.commits, self.blobs
        picked._ids = {"commits": [commits[at] for at in rows], "blobs": [blobs[at] for at in rows]}
        picked.configs = [self.configs[at] for at in rows]
        known = len(self.counts)
        picked.counts = [self.counts[at] if at < known else _UNKNOWN for at in rows]
        picked.made = {new for new, at in enumerate(rows) if at in self.made} if self.made else set()
        picked._places = None
        return picked

    # Only for a caller that holds the only snapshot of these columns

    def replace(self, at: int, blob: ObjectId, message: Item, *, made: bool = False) -> None:
        """Replace the message in row *at*."""
        self.blobs[at] = blob
        self.messages.replace(at, message)
        (self.made.add if made else self.made.discard)(at)
        self._forget_from(at)
        if at < len(self.counts):
            self.counts[at] = _UNKNOWN

    def insert(self, at: int, commit: ObjectId, blob: ObjectId, message: Item, config: Any) -> None:
        """Insert a row before row *at*."""
        self.messages.insert(at, message)
        self.commits.insert(at, commit)
        self.blobs.insert(at, blob)
        self.configs.insert(at, config)
        if at < len(self.counts):
            self.counts.insert(at, _UNKNOWN)
        self.made = {row + (row >= at) for row in self.made}
        self._drift += 1
        self._set_place(commit, at)
        self._forget_from(at)

    def remove(self, at: int) -> None:
        """Remove row *at*."""
        self.messages.remove(at)
        for column in (self.commits, self.blobs, self.configs, self.counts):
            del column[at : at + 1]
        self.made = {row - (row > at) for row in self.made if row != at}
        self._drift += 1
        self._forget_from(at)

    def _forget_from(self, at: int) -> None:
        del self._totals[at:]
        del self._media[at:]
        del self._odd[bisect_left(self._odd, at) :]
        if self._unsent is not None and self._unsent.rows > at:
            self._unsent = None
        self._sendings = None

    # Computed on demand

    def total(self, length: int, counter: Counts) -> int:
        """The tokens sent for the first *length* messages."""
        if not length:
            return 0
        totals = self._totals
        self._look_at(length, counter)
        if len(totals) < length:
            start = len(totals)
            self._count_rows(start, length, counter)
            before = totals[-1] if totals else 0
            totals += list(accumulate(self.counts[start:length], initial=before))[1:]
        unsent = self._unsent_of(length, counter)
        return totals[length - 1] + (0 if unsent is None else unsent.change(length))

    def counts_sent(self, length: int, counter: Counts) -> Sequence[int]:
        """The tokens sent for each of the first *length* messages; the caller must not change the list."""
        self.total(length, counter)
        unsent = self._unsent_of(length, counter)
        changes = {} if unsent is None else unsent.changes(length)
        if not changes:
            return self.counts
        counts = self.counts[:length]
        for row, tokens in changes.items():
            counts[row] += tokens
        return counts

    def media(self, length: int, counter: Counts) -> int:
        """The number of pictures, files and sounds in the first *length* messages."""
        self._look_at(length, counter)
        return self._media[length - 1] if length else 0

    def _look_at(self, length: int, counter: Counts) -> None:
        """Read the facts about single messages beside their tokens: their media, and whether they depend on others."""
        found, odd = self._media, self._odd
        start = len(found)
        if start < length:
            new = [*map(counter.count_of, self.blobs[start:length])]
            found += list(accumulate([one.media for one in new], initial=found[-1] if found else 0))[1:]
            if len(self.counts) == start and not self.made:
                self.counts += [one.message for one in new]
            odd += [row for row, one in enumerate(new, start) if one.depends or row in self.made]

    def _unsent_of(self, length: int, counter: Counts) -> Unsent | None:
        """The changes in the first *length* messages that depend on other messages; None if there are none."""
        self._look_at(length, counter)
        if not self._odd:
            return None
        if self._unsent is not None and self._unsent.rows >= length:
            return self._unsent
        from tract.tokens.unsent import Rows, Unsent  # a context without tools needs none

        commits = self.commits
        if self._unsent is None:
            self._unsent = Unsent(counter.made_tokens)
        rows = Rows(
            self.messages.__getitem__,
            self.counts.__getitem__,
            lambda row, before: counter.is_behind(commits[row], commits[before]),
        )
        self._unsent.advance(rows, self._odd, length)
        return self._unsent

    def is_waiting(self, length: int, counter: Counts) -> bool:
        """Whether a message behind the first *length* may change what is sent for these."""
        unsent = self._unsent_of(length, counter)
        return unsent is not None and (unsent.rows > length or unsent.is_waiting)

    def has_far(self, length: int, counter: Counts) -> bool:
        """Whether one of the first *length* messages depends on an answer before its own."""
        unsent = self._unsent_of(length, counter)
        return unsent is not None and unsent.has_far

    def _count_rows(self, start: int, stop: int, counter: Counts) -> None:
        counts = self.counts
        at = _first_unknown(counts, start, stop)
        while at is not None:
            counts[at] = self._count(at, counter)
            at = _first_unknown(counts, at + 1, stop)
        if self.made:
            for at in range(len(counts), stop):
                counts.append(self._count(at, counter))
        else:
            counts.extend(map(counter.message_tokens, self.blobs[len(counts) : stop]))

    def _count(self, at: int, counter: Counts) -> int:
        if at in self.made:
            return counter.made_tokens(self.messages[at])
        return counter.message_tokens(self.blobs[at])

    def sending(self, form: Form, length: int, answers: Answers) -> Sending:
        """The items sent in *form* for the first *length* messages; only messages added since the last call cost time."""
        from tract.messages.sent_history import Sendings  # it loads all formats, and most commands send nothing

        if self._sendings is None or self._sendings.rows > length:
            self._sendings = Sendings(answers)
        return self._sendings.to(form, self.messages, length)


def _first_unknown(counts: list[int], start: int, stop: int) -> int | None:
    try:
        return counts.index(_UNKNOWN, start, stop)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Hidden:
    """The hidden entries of a context, with their blobs; *tools* if a call or a result is among them."""

    blobs: Mapping[ObjectId, ObjectId]
    tools: bool

    def __len__(self) -> int:
        return len(self.blobs)


class Snapshot(NamedTuple):
    """The context of one key: the first *length* rows of *columns*; *hidden* are the entries left out, *warnings* the warnings about that."""

    key: Key
    columns: Columns
    length: int
    hidden: Hidden
    warnings: tuple[CompileWarning, ...] = ()

    def shows(self, commit: ObjectId) -> bool:
        """Whether the message that *commit* introduced is shown."""
        at = self.columns.place(commit)
        return at is not None and at < self.length
