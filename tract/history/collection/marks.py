"""What refs reach, and the order to pack it in; a few bytes for each object, by its number."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple, overload

from tract.errors import BlobNotFoundError
from tract.objects.id import Kind, ObjectId
from tract.objects.model import Commit, CommitOperation, read_commit, read_node
from tract.storage.catalogue import ABSENT, NONE, REACHED, UNSEEN, Catalogue

REPORT_EVERY = 4096

Progress = Callable[[str, int, int], None]
"""Told what gc does, how much of it is done and how much there is (0 where nobody knows)."""


class Members(Sequence[ObjectId]):
    """Objects of a catalogue, in an order; 4 bytes each."""

    def __init__(self, catalogue: Catalogue, numbers: array[int]) -> None:
        self._catalogue = catalogue
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, at: int) -> ObjectId: ...
    @overload
    def __getitem__(self, at: slice) -> Members: ...
    def __getitem__(self, at: int | slice) -> ObjectId | Members:
        if isinstance(at, slice):
            return Members(self._catalogue, self.numbers[at])
        return self._catalogue.id_of(self.numbers[at])

    def __iter__(self) -> Iterator[ObjectId]:
        return map(self._catalogue.id_of, self.numbers)

    def without(self, ids: AbstractSet[ObjectId]) -> Members:
        """These but for *ids*."""
        gone = {self._catalogue.number_of(id) for id in ids}
        return Members(self._catalogue, array("I", [number for number in self.numbers if number not in gone]))

    def payloads(self) -> Iterator[bytes]:
        """Their payloads, read one at a time."""
        return (self._catalogue.read(number).payload for number in self.numbers)


Groups = dict[Kind, Members]
"""Objects by kind, in the order to pack them."""


class Unseen(Mapping[ObjectId, Kind]):
    """The objects of a catalogue that *marks* have as UNSEEN, with their kinds."""

    def __init__(self, catalogue: Catalogue, marks: bytes) -> None:
        self._catalogue = catalogue
        self._marks = marks[: catalogue.size]

    def __len__(self) -> int:
        return self._marks.count(UNSEEN)

    def __iter__(self) -> Iterator[ObjectId]:
        number = self._marks.find(UNSEEN)
        while number >= 0:
            yield self._catalogue.id_of(number)
            number = self._marks.find(UNSEEN, number + 1)

    def __contains__(self, id: object) -> bool:
        number = self._catalogue.number_of(id) if isinstance(id, bytes) else None
        return number is not None and self.has(number)

    def __getitem__(self, id: ObjectId) -> Kind:
        number = self._catalogue.number_of(id)
        if number is None or not self.has(number):
            raise KeyError(id)
        return self._catalogue.kind_of(number)

    def has(self, number: int) -> bool:
        """Whether the object *number* is one of them."""
        return number < len(self._marks) and self._marks[number] == UNSEEN


class Found(NamedTuple):
    """An object that a walk came by; *commit* where it is one."""

    number: int
    kind: Kind
    commit: Commit | None


def walk(catalogue: Catalogue, roots: Iterable[int], marks: bytearray, *, gaps: bool = False) -> Iterator[Found]:
    """Every object reachable from *roots* that is UNSEEN in *marks*, where it becomes REACHED.

    Of a note its text is reached, and the notes before it, but not what they are about.
    *gaps* says that what is missing is passed over; it becomes ABSENT.
    """
    stack = array("I")
    of_notes = array("I")
    number_of = catalogue.admit

    def push(number: int, to: array[int]) -> None:
        # Seen as soon as it waits: every commit names a dozen of the same others.
        if number >= len(marks):
            marks.extend(bytes(number + 1 - len(marks)))
        if marks[number] == UNSEEN:
            marks[number] = REACHED
            to.append(number)

    for root in roots:
        push(root, stack)
    while stack or of_notes:
        is_note = not stack
        number = of_notes.pop() if is_note else stack.pop()
        try:
            obj = catalogue.read(number)
        except BlobNotFoundError:
            if not gaps:
                raise
            marks[number] = ABSENT
            continue
        commit: Commit | None = None
        to = stack
        if obj.kind == "commit":
            commit = read_commit(catalogue.id_of(number), obj)
            named, later = _named_by(commit)
            for id in later:
                push(number_of(id), of_notes)
        elif obj.kind == "tree":
            node = read_node(catalogue.id_of(number), obj)
            if node.level:
                named, to = node.items[::2], of_notes if is_note else stack
            else:
                named = node.items[1::2] if is_note else node.items
        else:
            named = ()
        for id in named:
            push(number_of(id), to)
        yield Found(number, obj.kind, commit)


def _named_by(commit: Commit) -> tuple[tuple[ObjectId, ...], tuple[ObjectId, ...]]:
    """What a commit needs, and of it the tree of notes, of which only the texts are."""
    content = () if commit.content is None else (commit.content,)
    tree = () if commit.tree is None else (commit.tree,)
    if commit.operation is CommitOperation.NOTE:
        return (*commit.parents, *content, *commit.open[1::2]), tree
    target = () if commit.target is None else (commit.target,)
    return (*commit.parents, *content, *commit.open, *target, *tree), ()


def mark(
    catalogue: Catalogue,
    roots: Sequence[int],
    marks: bytearray,
    *,
    gaps: bool = False,
    progress: Progress | None = None,
) -> Groups:
    """What ``walk`` reaches, in the order to pack it.

    What was said together lies together, oldest first; so distances to what came before are small.
    """
    lines = _Lines()
    trees, blobs = array("I"), array("I")
    for done, found in enumerate(walk(catalogue, roots, marks, gaps=gaps), 1):
        if found.commit is not None:
            lines.add(catalogue, found.number, found.commit)
        else:
            (trees if found.kind == "tree" else blobs).append(found.number)
        if progress is not None and not done % REPORT_EVERY:
            progress("marking", done, 0)
    commits = lines.in_order(roots)
    fresh = bytearray(len(marks))
    for number in blobs:
        fresh[number] = 1
    texts = array("I")
    for number in chain(lines.contents(commits), blobs):
        if fresh[number]:
            fresh[number] = 0
            texts.append(number)
    trees.reverse()  # a parent is met before its children, and distances should look back
    return {
        "blob": Members(catalogue, texts),
        "tree": Members(catalogue, trees),
        "commit": Members(catalogue, commits),
    }


class _Lines:
    """Commits, to be put line by line: each root's first parents oldest first, then what was merged into them."""

    def __init__(self) -> None:
        self._found = array("I")
        self._parent = array("I")
        self._content = array("I")
        self._merged: dict[int, tuple[int, ...]] = {}

    def add(self, catalogue: Catalogue, number: int, commit: Commit) -> None:
        for column in (self._parent, self._content):
            column.extend([NONE] * (number + 1 - len(column)))
        self._found.append(number)
        parents = [catalogue.admit(id) for id in commit.parents]
        self._parent[number] = parents[0] if parents else NONE
        self._content[number] = NONE if commit.content is None else catalogue.admit(commit.content)
        if len(parents) > 1:
            self._merged[number] = tuple(parents[1:])

    def in_order(self, roots: Iterable[int]) -> array[int]:
        ordered = array("I")
        left = bytearray(len(self._parent))
        for number in self._found:
            left[number] = 1
        for root in chain(roots, self._found):
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

    def contents(self, commits: Iterable[int]) -> Iterator[int]:
        """The contents of *commits*, for those that have one."""
        return (content for content in map(self._content.__getitem__, commits) if content != NONE)
