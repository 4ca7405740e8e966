"""What refs reach, and the order to pack it in; a few bytes for each object, by its number."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple, overload

from tract.errors import BlobNotFoundError, ObjectCorruptError
from tract.maintenance.gc.catalogue import ABSENT, NONE, REACHED, UNSEEN, Catalogue
from tract.objects.id import ID_SIZE, Kind, ObjectId
from tract.objects.model import Commit, CommitOperation, read_commit, read_node
from tract.storage.shallow import Cut

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
        return map(self._catalogue.id_of, self.numbers())

    def numbers(self) -> Iterator[int]:
        """Their numbers."""
        number = self._marks.find(UNSEEN)
        while number >= 0:
            yield number
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
    """An object that a walk came by; *commit* where it is one, *size* as :func:`stored_bytes` has it."""

    number: int
    kind: Kind
    commit: Commit | None
    size: int


def stored_bytes(payload: bytes) -> int:
    """What gc counts of an object: its bytes before they are compressed, and its id. So it does not change when a store is packed."""
    return len(payload) + ID_SIZE


def size_of(catalogue: Catalogue, number: int) -> int:
    """The same of an object that was there; of what cannot be read, the id."""
    try:
        return stored_bytes(catalogue.read(number).payload)
    except (BlobNotFoundError, ObjectCorruptError):
        return ID_SIZE


class Border:
    """Where walks end in a store of which history was cut, or is to be.

    What a commit in *cuts* lacks is not asked for, and with *stops* a compress commit's parents are not followed but the commit is put in *compressions*.
    The commits that contexts and targets name are not followed either but put in *named*: whoever walks decides whether their history is wanted, or only their message.
    """

    def __init__(self, catalogue: Catalogue, cuts: Mapping[ObjectId, Cut], *, stops: bool = False) -> None:
        self._catalogue = catalogue
        self._cuts = cuts
        self._stops = stops
        self._was_named = bytearray(catalogue.size)
        self.named = array("I")
        self.compressions: dict[int, Commit] = {}
        self.cut = array("I")

    def name(self, ids: Iterable[ObjectId]) -> None:
        """Put commits in *named*, each once."""
        for id in ids:
            number = self._catalogue.admit(id)
            if number >= len(self._was_named):
                self._was_named.extend(bytes(number + 1 - len(self._was_named)))
            if not self._was_named[number]:
                self._was_named[number] = 1
                self.named.append(number)

    def was_named(self, number: int) -> bool:
        """Whether a context or target named the commit."""
        return number < len(self._was_named) and bool(self._was_named[number])

    def named_by(self, number: int, id: ObjectId, commit: Commit) -> tuple[ObjectId, ...]:
        """What a walk goes on to from a commit that is no note."""
        content = () if commit.content is None else (commit.content,)
        cut = self._cuts.get(id)
        if cut is not None:
            self.cut.append(number)
            if cut.grade == "all":
                return content
        elif self._stops and commit.operation is CommitOperation.COMPRESS and commit.parents:
            self.compressions[number] = commit
        else:
            content = (*commit.parents, *content)
        self.name(commit.open[::2])
        self.name(() if commit.target is None else (commit.target,))
        return (*content, *commit.open[1::2], *(() if commit.tree is None else (commit.tree,)))


def walk(
    catalogue: Catalogue, roots: Iterable[int], marks: bytearray, *, gaps: bool = False, border: Border | None = None
) -> Iterator[Found]:
    """Every object reachable from *roots* that is UNSEEN in *marks*, where it becomes REACHED; no further than the *border*.

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
            if border is None or commit.operation is CommitOperation.NOTE:
                named, later = _named_by(commit)
                for id in later:
                    push(number_of(id), of_notes)
            else:
                named = border.named_by(number, catalogue.id_of(number), commit)
        elif obj.kind == "tree":
            node = read_node(catalogue.id_of(number), obj)
            if node.level:
                named, to = node.items[::2], of_notes if is_note else stack
            elif is_note:
                named = node.items[1::2]
            elif border is None:
                named = node.items
            else:
                border.name(node.items[::2])
                named = node.items[1::2]
        else:
            named = ()
        for id in named:
            push(number_of(id), to)
        yield Found(number, obj.kind, commit, stored_bytes(obj.payload))


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
    gathered = Gathered(catalogue, progress)
    for found in walk(catalogue, roots, marks, gaps=gaps):
        gathered.add(found)
    return gathered.groups(roots)


class Gathered:
    """What walks came by, to be put in the order to pack it."""

    def __init__(self, catalogue: Catalogue, progress: Progress | None = None) -> None:
        self._catalogue = catalogue
        self._progress = progress
        self._lines = _Lines()
        self._trees = array("I")
        self._blobs = array("I")
        self._done = 0

    def add(self, found: Found) -> None:
        if found.commit is not None:
            self._lines.add(self._catalogue, found.number, found.commit)
        else:
            (self._trees if found.kind == "tree" else self._blobs).append(found.number)
        self._done += 1
        if self._progress is not None and not self._done % REPORT_EVERY:
            self._progress("marking", self._done, 0)

    def groups(self, roots: Sequence[int]) -> Groups:
        """All of it, line by line from *roots*."""
        catalogue = self._catalogue
        commits = self._lines.in_order(roots)
        fresh = bytearray(1 + max(self._blobs, default=0))
        for number in self._blobs:
            fresh[number] = 1
        texts = array("I")
        for number in chain(self._lines.contents(commits), self._blobs):
            if number < len(fresh) and fresh[number]:
                fresh[number] = 0
                texts.append(number)
        self._trees.reverse()  # a parent is met before its children, and distances should look back
        return {
            "blob": Members(catalogue, texts),
            "tree": Members(catalogue, self._trees),
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
