"""The walk from what is needed to all that it needs: it gives each object a mark, in the order for a pack."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import TypeAlias

from tract.errors import BlobNotFoundError
from tract.objects.id import Kind, ObjectId
from tract.objects.model import Commit, CommitOperation, Named, Role, named_by
from tract.objects.strict_reader import read_commit, read_node
from tract.storage.catalogue import NONE, Catalogue
from tract.storage.shallow import Cut

UNSEEN = 0
"""No walk has reached the object."""
SPENT = 1
"""No walk has reached the object, and its own age does not keep it."""
ARCHIVED = 2
"""Only history behind an expired compression leads to the object."""
MESSAGE = 3
"""A commit that stays with its content only, because a context names it."""
REACHED = 4
"""The object stays, with everything it needs."""
OPERATION = 5
"""An operation; the reflog decides whether it stays."""
DUPLICATE = 6
"""A second copy of an object that has another number."""
ABSENT = 7
"""An object that another one names and that the store lacks."""

Found: TypeAlias = tuple[int, Kind]
"""An object that a walk reached, by its number."""

Numbered: TypeAlias = tuple[int, Kind, Role]
"""An object that another one names, as in ``Named``, but by its number."""

# A note does not need the commit it is about; else every answer with a noted usage would stay for ever.
_NOT_NEEDED: frozenset[Role] = frozenset(("noted",))
_WITHOUT_HISTORY: frozenset[Role] = frozenset(("noted", "parent"))
_CONTENT_ONLY: frozenset[Role] = frozenset(Role.__args__) - {"content", "list", "ref"}  # type: ignore[attr-defined]
_MESSAGES: frozenset[Role] = frozenset(("entry", "target", "record"))


def first_marks(catalogue: Catalogue) -> bytearray:
    """A byte for each object: OPERATION, DUPLICATE, REACHED if its pack is settled, else UNSEEN."""
    marks = bytearray(catalogue.size)
    marks[catalogue.settled_from :] = bytes([REACHED]) * (catalogue.size - catalogue.settled_from)
    for numbers in catalogue.operations():
        marks[numbers.start : numbers.stop] = bytes([OPERATION]) * len(numbers)
    for number in catalogue.duplicates:
        marks[number] = DUPLICATE
    return marks


class Marker:
    """Walks over the objects of *catalogue* and marks those it reaches.

    Where history was cut (*cuts*), a walk does not look for what is gone.
    It does not continue to commits that contexts and targets name if those are cut, or if archives may be dropped (*takes_archives*). It collects them in *named*, and the planner decides whether they stay whole or only as messages.
    *stopped* has the compress commits whose parents a walk did not follow, with their times.
    Walks remove from *unnamed* every object that another one needs.
    """

    def __init__(
        self, catalogue: Catalogue, marks: bytearray, cuts: Mapping[ObjectId, Cut], *, takes_archives: bool
    ) -> None:
        self.catalogue = catalogue
        self.marks = marks
        self.cuts = cuts
        self.takes_archives = takes_archives
        self.named = array("I")
        self.stopped: list[tuple[int, int]] = []
        self.unnamed: set[int] = set()
        self._was_named = bytearray()
        self._cuts = {catalogue.admit(id): cut for id, cut in cuts.items()}
        self._last_open: list[int] = []

    def copy(self) -> Marker:
        """A marker with the same marks, for a walk that must not change them."""
        return Marker(self.catalogue, bytearray(self.marks), self.cuts, takes_archives=self.takes_archives)

    def mark_of(self, number: int) -> int:
        """The mark of an object."""
        return self.marks[number] if number < len(self.marks) else UNSEEN

    def stays(self, number: int | None) -> bool:
        """True if the object is marked as one that stays, even if only as a message."""
        return number is not None and self.mark_of(number) in (MESSAGE, REACHED)

    def marked(self, *marks: int) -> Iterator[int]:
        """Yield the objects that have one of *marks*."""
        for mark in marks:
            number = self.marks.find(mark)
            while number >= 0:
                yield number
                number = self.marks.find(mark, number + 1)

    def was_named(self, number: int) -> bool:
        """True if a context or a target that a walk reached names the commit."""
        return number < len(self._was_named) and bool(self._was_named[number])

    def commit(self, number: int) -> Commit:
        """The commit *number*."""
        return read_commit(self.catalogue.id_of(number), self.catalogue.read(number))

    def parents(self, number: int) -> list[int]:
        """The parents of the commit *number*."""
        return [self.catalogue.admit(parent) for parent in self.commit(number).parents]

    def walk(self, roots: Iterable[int], *, stops: bool = False, gaps: bool = False) -> Iterator[Found]:
        """Mark every object that *roots* need and that does not stay yet as REACHED, and yield it.

        Each line of first parents comes together, the oldest commit and text first: what was said together compresses well together.
        With *stops*, the parents of compress commits are not followed.
        BlobNotFoundError for a missing object; with *gaps* it is marked as ABSENT instead.
        Blobs are not read.
        """
        catalogue, marks, unnamed = self.catalogue, self.marks, self.unnamed
        waiting = array("I")
        for root in roots:
            waiting.append(root)
            while waiting:
                commits, contents, blobs = array("I"), array("I"), array("I")
                number = waiting.pop()
                while number != NONE and self._reach(number):
                    try:
                        kind, named = self._needed_by(number, stops=stops)
                    except BlobNotFoundError:
                        if not gaps:
                            raise
                        marks[number] = ABSENT
                        break
                    if kind == "commit":
                        commits.append(number)
                    elif kind == "tree":
                        yield number, "tree"
                    else:
                        contents.append(number)
                    number = NONE
                    for other, kind, role in named:
                        unnamed.discard(other)
                        if other < len(marks) and marks[other] > MESSAGE:
                            continue
                        if kind != "blob" or other >= catalogue.size:
                            if role == "parent" and number == NONE:
                                number = other
                            else:
                                waiting.append(other)
                        elif role == "content":
                            marks[other] = REACHED
                            contents.append(other)
                        else:
                            blobs.append(other)
                yield from zip(reversed(commits), repeat("commit"))
                yield from zip(reversed(contents), repeat("blob"))
                yield from zip(filter(self._reach, blobs), repeat("blob"))

    def _reach(self, number: int) -> bool:
        """Mark an object as REACHED; return whether it was not before."""
        marks = self.marks
        if number >= len(marks):
            marks.extend(bytes(number + 1 - len(marks)))
        if marks[number] > MESSAGE:
            return False
        marks[number] = REACHED
        return True

    def _needed_by(self, number: int, *, stops: bool) -> tuple[Kind, Iterator[Numbered]]:
        """The kind of an object, and the objects it needs."""
        names = None if self.cuts else self.catalogue.names(number)
        if names is not None:
            end = names.open if self._were_followed(names.numbers[names.open :]) else len(names.kinds)
            return names.kind, self._followed(zip(names.numbers[:end], names.kinds, names.roles, strict=False))
        obj = self.catalogue.read(number)
        if obj.kind == "commit":
            needed = self._needed_by_commit(number, read_commit(self.catalogue.id_of(number), obj), stops=stops)
        elif obj.kind == "tree":
            needed = self._numbered(named_by(read_node(self.catalogue.id_of(number), obj)), _NOT_NEEDED)
        else:
            needed = iter(())
        return obj.kind, self._followed(needed)

    def _needed_by_commit(self, number: int, commit: Commit, *, stops: bool) -> Iterator[Numbered]:
        left_out = _NOT_NEEDED
        cut = self._cuts.get(number)
        if cut is not None:
            left_out = _CONTENT_ONLY if cut.grade == "all" else _WITHOUT_HISTORY
        elif stops and commit.operation is CommitOperation.COMPRESS and commit.parents:
            self.stopped.append((-commit.time, number))
            left_out = _WITHOUT_HISTORY
        is_followed = cut is None or cut.grade == "parents"
        if is_followed and self._were_followed([*map(self.catalogue.admit, commit.open)]):
            commit = commit._replace(open=())
        return self._numbered(named_by(commit), left_out)

    def _numbered(self, named: Iterable[Named], left_out: frozenset[Role]) -> Iterator[Numbered]:
        """The *named* objects whose roles are not *left_out*, by number."""
        return ((self.catalogue.admit(id), kind, role) for id, kind, role in named if role not in left_out)

    def _were_followed(self, entries: list[int]) -> bool:
        """True if a commit's open *entries* were all followed for the commit before: a commit mostly has its parent's entries."""
        if entries == self._last_open[: len(entries)]:
            return True
        self._last_open = entries
        return False

    def _followed(self, needed: Iterable[Numbered]) -> Iterator[Numbered]:
        """Yield the *needed* objects that a walk follows: not messages whose history is cut or may be dropped, and not the commits that notes are about."""
        for one in needed:
            if one[2] in _MESSAGES and (self.takes_archives or one[0] in self._cuts):
                self._name(one[0])
            elif one[2] not in _NOT_NEEDED:
                yield one

    def _name(self, number: int) -> None:
        if number >= len(self._was_named):
            self._was_named.extend(bytes(number + 1 - len(self._was_named)))
        if not self._was_named[number]:
            self._was_named[number] = 1
            self.named.append(number)

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
            self._reach(number)
            self.marks[number] = MESSAGE
            yield number, "commit"
            lists = commit.refs is not None and commit.operation is not CommitOperation.COMPRESS
            needed = [
                id for id, _, role in named_by(commit) if role == "content" or (lists and role in ("list", "ref"))
            ]
            yield from self.walk(map(self.catalogue.admit, needed), gaps=gaps)

    def keep_edits(self, edits: Mapping[int, tuple[int, int]]) -> Iterator[Found]:
        """Keep those of *edits* whose message and content both stay: such an edit gave the message that content."""
        return self.keep_messages([edit for edit, needed in edits.items() if all(map(self.stays, needed))])

    def cut_off_from(self, commit: Commit) -> list[ObjectId]:
        """The commits that will not be in the history of *commit* once everything that does not stay is gone, also those that something else keeps."""
        found: dict[int, ObjectId] = {}
        parents = map(self.catalogue.number_of, commit.parents)
        waiting = [number for number in parents if number is not None and self.mark_of(number) != REACHED]
        while waiting:
            number = waiting.pop()
            if number in found or number >= self.catalogue.size or self.mark_of(number) == ABSENT:
                continue
            found[number] = self.catalogue.id_of(number)
            behind = map(self.catalogue.number_of, self.commit(number).parents)
            waiting += [other for other in behind if other is not None]
        return list(found.values())

    def cuts_with(self, expired: Iterable[int], before: Mapping[ObjectId, Cut]) -> dict[ObjectId, Cut]:
        """The content of ``shallow`` once everything that does not stay is gone, including the archives of *expired*; *before* is its content now, and new cuts get today's date.

        A commit is in it if, and only if, something that it names is not kept whole.
        """

        def stays(id: ObjectId) -> bool:
            return self.stays(self.catalogue.number_of(id))

        numbers = {*self.marked(MESSAGE), *expired, *map(self.catalogue.admit, before)}
        commits = {self.catalogue.id_of(number): self.commit(number) for number in filter(self.stays, numbers)}
        contexts = {id: (*one.open, one.tree, one.target) for id, one in commits.items()}
        alone = {id for id, named in contexts.items() if not all(other is None or stays(other) for other in named)}
        date = time.strftime("%Y-%m-%d", time.gmtime())
        cuts: dict[ObjectId, Cut] = {}
        for id, commit in commits.items():
            is_whole = all(stays(parent) and parent not in alone for parent in commit.parents)
            if id in alone or not is_whole:
                cut = Cut("all" if id in alone else "parents", date)
                known = before.get(id)
                cuts[id] = known if known is not None and known.grade == cut.grade else cut
        return cuts
