"""Walking from what is needed to all that it needs, and the order in which that is packed."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple, TypeAlias

from tract.errors import BlobNotFoundError, ObjectCorruptError
from tract.maintenance.gc.catalogue import ABSENT, ARCHIVED, MESSAGE, NONE, REACHED, UNSEEN, Catalogue
from tract.objects.id import ID_SIZE, Kind, ObjectId
from tract.objects.model import Commit, CommitOperation, Node, Role, named_by
from tract.objects.strict_reader import read_commit, read_node
from tract.storage.shallow import Cut

REPORT_EVERY = 4096

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what gc does, how much of it is done and how much there is (0 where nobody knows)."""

Groups: TypeAlias = "dict[Kind, array[int]]"  # array takes no parameter when it runs
"""Numbers of objects by kind, in the order to pack them."""


# A commit that a note is about is not needed by it; else every answer whose usage is noted would stay for ever.
_NOT_NEEDED: frozenset[Role] = frozenset(("noted",))
_WITHOUT_HISTORY: frozenset[Role] = frozenset(("noted", "parent"))
_CONTENT_ONLY: frozenset[Role] = frozenset(Role.__args__) - {"content", "list", "ref"}  # type: ignore[attr-defined]
_MESSAGES: frozenset[Role] = frozenset(("entry", "target", "record"))


class Found(NamedTuple):
    """An object that a walk reached; *commit* where it is one."""

    number: int
    kind: Kind
    commit: Commit | None = None


class Marker:
    """Walks over the objects of *catalogue* and marks those it reaches.

    Where history was cut (*cuts*), a walk does not look for what is gone.
    In a store with cuts, or where archives may go (*takes_archives*), a walk does not go on to the commits that contexts and targets name. It collects them in *named*, and the planner decides whether they stay whole or only as messages.
    *stopped* has the compress commits whose parents a walk did not follow.
    From *unnamed* walks remove the objects that another one needs.
    """

    def __init__(
        self, catalogue: Catalogue, marks: bytearray, cuts: Mapping[ObjectId, Cut], *, takes_archives: bool
    ) -> None:
        self.catalogue = catalogue
        self.marks = marks
        self.cuts = cuts
        self.takes_archives = takes_archives
        self.named = array("I")
        self.stopped: dict[int, Commit] = {}
        self.unnamed: set[int] = set()
        self._was_named = bytearray()
        self._last_open: tuple[ObjectId, ...] = ()

    def copy(self) -> Marker:
        """A marker with the same marks, for a walk that is only to look."""
        return Marker(self.catalogue, bytearray(self.marks), self.cuts, takes_archives=self.takes_archives)

    def mark_of(self, number: int) -> int:
        """The mark of an object."""
        return self.marks[number] if number < len(self.marks) else UNSEEN

    def commit(self, number: int) -> Commit:
        """The commit *number*."""
        return read_commit(self.catalogue.id_of(number), self.catalogue.read(number))

    def stays(self, id: ObjectId) -> bool:
        """Whether the object is marked as one that stays, be it only as a message."""
        number = self.catalogue.number_of(id)
        return number is not None and self.mark_of(number) in (MESSAGE, REACHED)

    def marked(self, mark: int) -> Iterator[int]:
        """The objects that have *mark*."""
        number = self.marks.find(mark)
        while number >= 0:
            yield number
            number = self.marks.find(mark, number + 1)

    def was_named(self, number: int) -> bool:
        """Whether a context or a target that a walk reached names the commit."""
        return number < len(self._was_named) and bool(self._was_named[number])

    def walk(self, roots: Iterable[int], *, stops: bool = False, gaps: bool = False) -> Iterator[Found]:
        """Mark every object that *roots* need and that does not stay yet as REACHED, and yield it.

        With *stops* the parents of compress commits are not followed.
        BlobNotFoundError for a missing object; with *gaps* it is marked as ABSENT instead.
        Blobs are not read.
        """
        catalogue, marks, unnamed = self.catalogue, self.marks, self.unnamed
        stack = array("I")
        for root in roots:
            if self._reach(root):
                stack.append(root)
        while stack:
            number = stack.pop()
            try:
                obj = catalogue.read(number)
            except BlobNotFoundError:
                if not gaps:
                    raise
                marks[number] = ABSENT
                continue
            commit: Commit | None = None
            named: Iterable[tuple[ObjectId, Kind, Role]] = ()
            if obj.kind == "commit":
                commit = read_commit(catalogue.id_of(number), obj)
                named = self._needed_by(number, commit, stops=stops)
            elif obj.kind == "tree":
                named = self._followed(read_node(catalogue.id_of(number), obj), _NOT_NEEDED)
            yield Found(number, obj.kind, commit)
            for id, kind, _ in named:
                other = catalogue.admit(id)
                unnamed.discard(other)
                if self._reach(other):
                    if kind != "blob" or other >= catalogue.size:
                        stack.append(other)
                    else:
                        yield Found(other, kind)

    def _reach(self, number: int) -> bool:
        """Mark an object as REACHED; whether it was not before."""
        marks = self.marks
        if number >= len(marks):
            marks.extend(bytes(number + 1 - len(marks)))
        if marks[number] > MESSAGE:
            return False
        marks[number] = REACHED
        return True

    def _needed_by(self, number: int, commit: Commit, *, stops: bool) -> Iterator[tuple[ObjectId, Kind, Role]]:
        left_out = _NOT_NEEDED
        cut = self.cuts.get(self.catalogue.id_of(number)) if self.cuts else None
        if cut is not None:
            left_out = _CONTENT_ONLY if cut.grade == "all" else _WITHOUT_HISTORY
        elif stops and commit.operation is CommitOperation.COMPRESS and commit.parents:
            self.stopped[number] = commit
            left_out = _WITHOUT_HISTORY
        if commit.open and (cut is None or cut.grade == "parents"):
            if commit.open == self._last_open[: len(commit.open)]:
                commit = commit._replace(open=())  # all of them were followed: a commit mostly has its parent's entries
            else:
                self._last_open = commit.open
        return self._followed(commit, left_out)

    def _followed(self, value: Commit | Node, left_out: frozenset[Role]) -> Iterator[tuple[ObjectId, Kind, Role]]:
        """What *value* names, but for the roles that are *left_out*, and for messages whose history may go."""
        names = self.takes_archives or bool(self.cuts)
        for one in named_by(value):
            if one[2] in left_out:
                continue
            if names and one[2] in _MESSAGES:
                self.name([one[0]])
            else:
                yield one

    def name(self, ids: Iterable[ObjectId]) -> None:
        """Add commits to *named*, each once."""
        for id in ids:
            number = self.catalogue.admit(id)
            if number >= len(self._was_named):
                self._was_named.extend(bytes(number + 1 - len(self._was_named)))
            if not self._was_named[number]:
                self._was_named[number] = 1
                self.named.append(number)

    def to_be_whole(self) -> list[int]:
        """The named commits that do not stay yet but are to stay with their history: where no archive may go, all that were not cut before."""
        if self.takes_archives:
            return []
        return [n for n in self.named if self.mark_of(n) <= ARCHIVED and self.catalogue.id_of(n) not in self.cuts]

    def shown(self, edits: Mapping[int, tuple[int, int]]) -> list[int]:
        """Those of *edits* whose message and content both stay: each stays too, for it is what gave the message those words."""
        return [
            edit for edit, needed in edits.items() if all(self.mark_of(one) in (MESSAGE, REACHED) for one in needed)
        ]

    def keep_messages(self, numbers: Iterable[int], *, gaps: bool = False) -> Iterator[Found]:
        """Mark those of the commits *numbers* that do not stay yet as MESSAGE, and their contents as REACHED; yield both."""
        for number in numbers:
            if self.mark_of(number) > ARCHIVED:
                continue
            try:
                commit = self.commit(number)
            except BlobNotFoundError:
                if not gaps:
                    raise
                continue
            if number >= len(self.marks):
                self.marks.extend(bytes(number + 1 - len(self.marks)))
            self.marks[number] = MESSAGE
            yield Found(number, "commit", commit)
            if commit.content is not None:
                content = self.catalogue.admit(commit.content)
                if self._reach(content):
                    yield Found(content, "blob")
            if commit.refs is not None and commit.operation is not CommitOperation.COMPRESS:
                needed = [id for id, _, role in named_by(commit) if role in ("list", "ref")]
                yield from self.walk(map(self.catalogue.admit, needed), gaps=gaps)


class PackOrder:
    """Puts the objects that walks found in the order to pack them.

    What was said together lies together, the oldest first: so it compresses well, and an object is near those it names.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._commits = array("I")
        self._trees = array("I")
        self._blobs = array("I")
        self._parent = array("I")
        self._content = array("I")
        self._merged: dict[int, tuple[int, ...]] = {}

    def add(self, found: Found) -> None:
        """Add an object; each once."""
        number, _, commit = found
        if commit is None:
            (self._trees if found.kind == "tree" else self._blobs).append(number)
            return
        admit = self._catalogue.admit
        for column in (self._parent, self._content):
            column.extend([NONE] * (number + 1 - len(column)))
        self._commits.append(number)
        parents = [admit(id) for id in commit.parents]
        self._parent[number] = parents[0] if parents else NONE
        self._content[number] = NONE if commit.content is None else admit(commit.content)
        if len(parents) > 1:
            self._merged[number] = tuple(parents[1:])

    def groups(self, roots: Iterable[int]) -> Groups:
        """The objects, line by line from *roots*."""
        commits = self._ordered_commits(roots)
        left = bytearray(1 + max(self._blobs, default=0))
        for number in self._blobs:
            left[number] = 1
        blobs = array("I")
        for number in chain(map(self._content.__getitem__, commits), self._blobs):
            if number < len(left) and left[number]:
                left[number] = 0
                blobs.append(number)
        self._trees.reverse()  # a parent is found before its children, and names should look back
        return {"blob": blobs, "tree": self._trees, "commit": commits}

    def _ordered_commits(self, roots: Iterable[int]) -> array[int]:
        """The commits: each root's first parents, the oldest first, then what was merged into them."""
        ordered = array("I")
        left = bytearray(len(self._parent))
        for number in self._commits:
            left[number] = 1
        for root in chain(roots, self._commits):
            starts = [root]
            while starts:
                at = starts.pop()
                line = array("I")
                while at < len(left) and left[at]:
                    left[at] = 0
                    line.append(at)
                    starts.extend(self._merged.get(at, ()))
                    at = self._parent[at]
                line.reverse()
                ordered.extend(line)
        return ordered


def counted_size(payload: bytes) -> int:
    """What gc counts for an object, in bytes: its payload before compression, and its id. Packing does not change it."""
    return len(payload) + ID_SIZE


def size_of(catalogue: Catalogue, number: int) -> int:
    """The same for an object of the catalogue; for one that cannot be read, the size of its id."""
    try:
        return counted_size(catalogue.read(number).payload)
    except (BlobNotFoundError, ObjectCorruptError):
        return ID_SIZE
