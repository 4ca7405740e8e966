"""Notes: what is said about a commit later, or beside it.

    refs/notes/priority   skip, pin, normal, with a reason
    refs/notes/config     the generation config a message was made with
    refs/notes/usage      the tokens a provider counted
    refs/notes/origin     the commit that a replayed one was made from

A note is a commit of its own on its namespace's ref, and moves no branch.
Its tree is the list of all the namespace's notes, as ``(commit the note is about, blob)``: to know them all costs a node for every 16, and no note need be read twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from tract.history.context import chunks
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.refs.names import NOTES
from tract.repo import Repository
from tract.transaction import transaction
from tract.tree import Context

PRIORITY = "priority"
CONFIG = "config"
USAGE = "usage"
ORIGIN = "origin"

# Further apart than this, reading the whole list anew is no slower than walking.
_MOST_STEPS = 64


class Note(NamedTuple):
    """One note, as it was written."""

    id: ObjectId
    target: ObjectId
    body: Any
    author: str
    time: int


def note_tip(repo: Repository, namespace: str) -> ObjectId | None:
    """The newest note of the namespace: its id stands for the state of all of them."""
    tip = repo.ref(NOTES + namespace)
    return tip if isinstance(tip, bytes) else None


class NewNote(NamedTuple):
    """A note still to be made; *time* is in microseconds."""

    target: ObjectId
    body: dict[str, Any]
    time: int
    message: str | None = None


def write_note(repo: Repository, namespace: str, note: NewNote, *, reason: str) -> None:
    """Make one note, as an operation of its own."""
    with transaction(repo, reason, moves="refs") as tx:
        tx.note(namespace, note.target, note.body, time=note.time, message=note.message)


def notes_between(repo: Repository, old: ObjectId | None, new: ObjectId | None) -> dict[ObjectId, ObjectId] | None:
    """The newest blob for every commit that got a note after the tip *old* up to *new*; None when they are not a few steps apart."""
    steps: list[Commit] = []
    at = new
    while at is not None and at != old and len(steps) < _MOST_STEPS:
        commit = repo.commit(at)
        steps.append(commit)
        at = commit.parents[0] if commit.parents else None
    if at != old:
        return None
    return {c.target: c.content for c in reversed(steps) if c.target is not None and c.content is not None}


class NoteTable:
    """The newest note's blob for every commit that has one, in one namespace.

    It moves with the namespace's ref: ``advance`` costs no more than the notes that were added.
    """

    __slots__ = ("_blobs", "_bodies", "tip")

    def __init__(self) -> None:
        self._blobs: dict[ObjectId, ObjectId] = {}
        self._bodies: dict[ObjectId, Any] = {}
        self.tip: ObjectId | None = None

    def copy(self) -> Self:
        """The same notes, to be advanced apart from these."""
        other = type(self)()
        other._blobs, other._bodies, other.tip = dict(self._blobs), dict(self._bodies), self.tip
        return other

    def advance(self, repo: Repository, tip: ObjectId | None) -> frozenset[ObjectId] | None:
        """Be the notes at *tip*; the commits whose notes changed, or None where all may have."""
        if tip == self.tip:
            return frozenset()
        added = self._added_since(repo, tip)
        self.tip = tip
        if added is not None:
            self._blobs.update(added)
            return frozenset(added)
        self._blobs = {}
        self._bodies = {}  # gc writes notes anew, without those about what is gone
        if tip is not None:
            commit = repo.commit(tip)
            for _, items in chunks(repo, Context(commit.tree, commit.open)):
                self._blobs.update(zip(items[::2], items[1::2], strict=True))
        return None

    def _added_since(self, repo: Repository, tip: ObjectId | None) -> dict[ObjectId, ObjectId] | None:
        """The notes between this state and *tip*, or None when it is not a few steps before it."""
        return notes_between(repo, self.tip, tip)

    def get(self, repo: Repository, commit: ObjectId) -> Any:
        """The newest note about *commit*, or None; not to be changed."""
        blob = self._blobs.get(commit)
        if blob is None:
            return None
        body = self._bodies.get(blob)
        if body is None:
            body = self._bodies[blob] = repo.blob(blob)
        return body

    def has_any(self, commits: Iterable[ObjectId]) -> bool:
        """Whether one of the commits has a note."""
        return bool(self._blobs) and not self._blobs.keys().isdisjoint(commits)

    def __len__(self) -> int:
        return len(self._blobs)

    def targets(self) -> tuple[ObjectId, ...]:
        """The commits that have a note."""
        return tuple(self._blobs)


def note_history(repo: Repository, namespace: str, target: ObjectId | None = None) -> Iterator[Note]:
    """The namespace's notes, newest first; only those about *target* where it is given."""
    at = note_tip(repo, namespace)
    while at is not None:
        commit = repo.commit(at)
        if commit.target is not None and commit.content is not None and target in (None, commit.target):
            yield Note(at, commit.target, repo.blob(commit.content), commit.author, commit.time)
        at = commit.parents[0] if commit.parents else None
