"""How gc cuts history: what stays of an archive that goes, and which commits then lack something.

What contexts name stays as a message: its commit and its content, nothing else.
A commit of which something is gone then is put into ``shallow``.
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tract.errors import BlobNotFoundError
from tract.history.times import moment as moment_of
from tract.maintenance.gc.catalogue import REACHED, UNSEEN, Catalogue
from tract.maintenance.gc.marks import Border, Found, Gathered, Groups, size_of, stored_bytes, walk
from tract.maintenance.gc.wordings import Wording, shown_edits
from tract.objects.id import ObjectId
from tract.objects.model import Commit, read_commit
from tract.storage.shallow import Cut


@dataclass(frozen=True, slots=True)
class Archive:
    """What goes with the archive of one compression: *commit* is the compress commit, *size* in bytes, before they are compressed.

    *parted* are the refs, by their full names, that lose merge bases with some branch with it.
    """

    commit: str
    created_at: datetime
    commits: int
    messages: int
    objects: int
    size: int
    parted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldArchive:
    """An archive that is old enough to go, but stays: without it *branches*, by their full names, would lose merge bases with another one.

    Without *branches* it is orphans that lead there: it goes when they do.
    """

    commit: str
    created_at: datetime
    branches: tuple[str, ...]


@dataclass(slots=True)
class Cutting:
    """How gc treats a store of which history was cut, or is to be.

    *archived* has a 1 for each number of the catalogue that is in an archive that goes; *released* are the refs that do not keep one.
    *messages* are the commits kept without their history, *edges* all of which something may be gone.
    *wordings* are edits that stay as messages too, where theirs are shown.
    *behind* says what is in each archive that goes, and *parted* which refs part there, both by the number of its compress commit; *held* are those that merges need.
    """

    cuts: Mapping[ObjectId, Cut]
    takes_archives: bool
    archived: bytearray
    released: tuple[tuple[str, ObjectId], ...] = ()
    messages: set[int] = field(default_factory=set)
    edges: array[int] = field(default_factory=lambda: array("I"))
    wordings: tuple[Wording, ...] = ()
    behind: dict[int, Behind] = field(default_factory=dict)
    parted: dict[int, tuple[str, ...]] = field(default_factory=dict)
    held: list[HeldArchive] = field(default_factory=list)

    def is_cut(self, catalogue: Catalogue, number: int) -> bool:
        """Whether of a commit that a context names only the message is kept, unless something leads to its history."""
        return self.takes_archives or catalogue.id_of(number) in self.cuts

    def walk(
        self, catalogue: Catalogue, roots: Iterable[int], marks: bytearray, *, gaps: bool = False
    ) -> Iterator[Found]:
        """As ``walk``, but of what contexts name in archives that go only the messages."""
        border = Border(catalogue, self.cuts)
        for number in self.messages:
            marks[number] = UNSEEN  # until it is clear that this walk does not need their history
        yield from walk(catalogue, roots, marks, gaps=gaps, border=border)
        while whole := [number for number in self._unseen(border, marks) if not self.is_cut(catalogue, number)]:
            yield from walk(catalogue, whole, marks, gaps=gaps, border=border)
        self.edges.extend(border.cut)
        self.messages = {number for number in self.messages if marks[number] == UNSEEN}
        for number in self.messages:
            marks[number] = REACHED
        yield from self.keep_messages(catalogue, border, marks, gaps=gaps)

    def gather(self, catalogue: Catalogue, roots: Sequence[int], marks: bytearray) -> Groups:
        """As ``mark``, in the same way, with gaps."""
        gathered = Gathered(catalogue)
        for found in self.walk(catalogue, roots, marks, gaps=True):
            gathered.add(found)
        return gathered.groups(roots)

    def keep_messages(
        self, catalogue: Catalogue, border: Border, marks: bytearray, *, gaps: bool = False
    ) -> Iterator[Found]:
        """The commits that *border* was named and no walk has reached, with their contents and nothing else; then the *wordings* of what stays."""
        yield from self._keep_messages(catalogue, self._unseen(border, marks), marks, gaps=gaps)
        yield from self._keep_messages(catalogue, shown_edits(self.wordings, marks), marks, gaps=gaps)

    def _keep_messages(
        self, catalogue: Catalogue, numbers: Sequence[int], marks: bytearray, *, gaps: bool
    ) -> Iterator[Found]:
        for number in numbers:
            try:
                obj = catalogue.read(number)
            except BlobNotFoundError:
                if not gaps:
                    raise
                continue
            commit = read_commit(catalogue.id_of(number), obj)
            self.edges.append(number)
            self.messages.add(number)
            _mark(marks, number)
            yield Found(number, "commit", commit, stored_bytes(obj.payload))
            if (
                commit.content is not None
                and (content := catalogue.admit(commit.content)) >= 0
                and is_unseen(marks, content)
            ):
                _mark(marks, content)
                yield Found(content, "blob", None, size_of(catalogue, content))

    @staticmethod
    def _unseen(border: Border, marks: bytearray) -> list[int]:
        return [number for number in border.named if is_unseen(marks, number)]

    def messages_of(self, catalogue: Catalogue) -> frozenset[ObjectId]:
        """The commits that are kept without their history."""
        return frozenset(map(catalogue.id_of, self.messages))

    def parents_behind(self, catalogue: Catalogue) -> list[int]:
        """What the compress commits come from whose archives go."""
        commits = (read_commit(catalogue.id_of(number), catalogue.read(number)) for number in self.behind)
        return [catalogue.admit(parent) for commit in commits for parent in commit.parents]

    def left_of(self, catalogue: Catalogue, marks: bytes) -> tuple[Archive, ...]:
        """What goes of each archive, the newest first."""
        archives: list[Archive] = []
        for number, behind in self.behind.items():
            gone = [at for at in behind.objects if marks[at] != REACHED]
            if gone:
                messages = sum(marks[at] != REACHED for at in behind.messages)
                commits = sum(marks[at] != REACHED for at in behind.commits)
                size = sum(size_of(catalogue, at) for at in gone)
                name = catalogue.id_of(number).hex()
                parted = self.parted.get(number, ())
                archives.append(Archive(name, moment_of(behind.time), commits, messages, len(gone), size, parted))
        return tuple(archives)

    def with_orphans(self, catalogue: Catalogue, marks: bytes) -> tuple[HeldArchive, ...]:
        """The archives of which nothing goes, for orphans that are kept lead to their history, the newest first."""
        return tuple(
            HeldArchive(catalogue.id_of(number).hex(), moment_of(behind.time), ())
            for number, behind in self.behind.items()
            if all(marks[at] == REACHED for at in behind.objects) and not self.messages.issuperset(behind.commits)
        )

    def cuts_after(self, catalogue: Catalogue, marks: bytearray, date: str) -> dict[ObjectId, Cut]:
        """What ``shallow`` says when all is gone that is not REACHED in *marks*."""

        def is_kept(id: ObjectId) -> bool:
            number = catalogue.number_of(id)
            return number is not None and number < len(marks) and marks[number] == REACHED

        commits: dict[ObjectId, Commit] = {}
        for number in dict.fromkeys(self.edges):
            id = catalogue.id_of(number)
            if is_kept(id):
                commits[id] = read_commit(id, catalogue.read(number))
        found = {
            id: Cut("all", date) for id, commit in commits.items() if not all(map(is_kept, _context_and_target(commit)))
        }
        alone = found.keys()  # who has one of these before it has nothing to go back to
        for id, commit in commits.items():
            if id not in found and not all(is_kept(parent) and parent not in alone for parent in commit.parents):
                found[id] = Cut("parents", date)
        return {
            id: before if (before := self.cuts.get(id)) and before.grade == cut.grade else cut
            for id, cut in found.items()
        }


def _context_and_target(commit: Commit) -> tuple[ObjectId, ...]:
    return (*commit.open, *(named for named in (commit.tree, commit.target) if named is not None))


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """The commits that go, and those of which only the message stays."""

    dropped: Container[ObjectId]
    messages: frozenset[ObjectId]

    def __contains__(self, id: object) -> bool:
        return id in self.messages or id in self.dropped


@dataclass(slots=True)
class Behind:
    """What is in the archive of one compress commit, made at *time*, in microseconds since 1970."""

    time: int
    objects: array[int] = field(default_factory=lambda: array("I"))
    commits: array[int] = field(default_factory=lambda: array("I"))
    messages: array[int] = field(default_factory=lambda: array("I"))


def is_unseen(marks: bytearray, number: int) -> bool:
    return number >= len(marks) or marks[number] == UNSEEN


def _mark(marks: bytearray, number: int) -> None:
    if number >= len(marks):
        marks.extend(bytes(number + 1 - len(marks)))
    marks[number] = REACHED
