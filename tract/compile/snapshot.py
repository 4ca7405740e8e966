"""Snapshots: a compiled context that the next one grows from.

    columns   m0 m1 m2 m3 m4 m5 …        one list each for messages, commits, blobs, configs, counts
    snapshot  └─── length 4 ───┘         a view of the first so many rows
    snapshot  └──── length 6 ──────┘     the next turn's: it shares the rows, nothing is copied

A snapshot is keyed by what it was made from, and all of that names content, so it can never be stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, overload

from tract.compile.message import Message
from tract.objects.id import ObjectId

_T = TypeVar("_T")


class Key(NamedTuple):
    """What a snapshot depends on: the commit, and the states of the notes it shows."""

    commit: ObjectId | None
    priority: ObjectId | None
    config: ObjectId | None


class Columns:
    """The rows of one or more snapshots, one list a column.

    Rows are only ever added; ``total`` is the running sum of ``count``, as far as anybody asked for tokens.
    """

    __slots__ = ("_own_count", "blobs", "commits", "configs", "counts", "index", "messages", "totals")

    def __init__(self, own_count: Callable[[Message], int] | None = None) -> None:
        self._own_count = own_count  # for messages that are not what their blobs are
        self.messages: list[Message] = []
        self.commits: list[ObjectId] = []
        self.blobs: list[ObjectId] = []
        self.configs: list[Any] = []
        self.counts: list[int] = []
        self.totals: list[int] = []
        self.index: dict[ObjectId, int] = {}

    def __len__(self) -> int:
        return len(self.commits)

    def add(self, commit: ObjectId, blob: ObjectId, message: Message, config: Any) -> None:
        self.index[commit] = len(self.commits)
        self.messages.append(message)
        self.commits.append(commit)
        self.blobs.append(blob)
        self.configs.append(config)

    def copy(self, length: int) -> Columns:
        """The first *length* rows in lists of their own: for a history that forks from what others see."""
        copy = Columns()
        copy.messages = self.messages[:length]
        copy.commits = self.commits[:length]
        copy.blobs = self.blobs[:length]
        copy.configs = self.configs[:length]
        copy.counts = self.counts[:length]
        copy.totals = self.totals[:length]
        copy.index = {commit: at for at, commit in enumerate(copy.commits)}
        return copy

    def total(self, length: int, count: Callable[[ObjectId], int]) -> int:
        """The tokens of the first *length* messages; *count* gives those of a blob."""
        totals = self.totals
        for at in range(len(totals), length):
            tokens = count(self.blobs[at]) if self._own_count is None else self._own_count(self.messages[at])
            self.counts.append(tokens)
            totals.append(tokens + (totals[-1] if totals else 0))
        return totals[length - 1] if length else 0


class Snapshot(NamedTuple):
    """The context of one key: the first *length* rows of *columns*; *hidden* is how many entries are skipped."""

    key: Key
    columns: Columns
    length: int
    hidden: int


class View(Sequence[_T], Generic[_T]):
    """The first *length* items of a list that may go on growing; read-only, and O(1) to make."""

    __slots__ = ("_convert", "_items", "_length")

    def __init__(self, items: list[Any], length: int, convert: Callable[[Any], _T] | None = None) -> None:
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
            return [self._one(item) for item in self._items[: self._length][at]]
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
