"""The objects of a store by number, for gc, which visits all of them: a few bytes for each of millions, and no reading of packs that stay.

    number     0 … k-1                  k … k+n-1             …             then             after the last pack's
    object     journal and loose ones   the youngest pack's   older packs'  settled packs'   added later, or nowhere

An object with several copies has the number of its first copy, or of the copy in a settled pack; its other numbers are duplicates.
Settled packs (tract/storage/settled.py) are packs in which every object is known to be reachable.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import TypeAlias, TypeVar

from tract.errors import BlobNotFoundError, ObjectCorruptError
from tract.objects.id import ID_SIZE, Kind, ObjectId
from tract.objects.model import Object
from tract.storage.database import Database
from tract.storage.folding import Folded, Names, names_in, refold
from tract.storage.memory import MemoryStore
from tract.storage.pack import Pack
from tract.storage.shallow import UNTOLD

NONE = 0xFFFFFFFF
"""The number that no object has."""

_MOST_RECENT = 8192
_READS_BEFORE_RELEASE = 8192

_T = TypeVar("_T")

CollectedStore: TypeAlias = Database | MemoryStore
"""The stores that gc collects; a store in memory has no packs, and all of its objects are loose."""


class Recent(dict[ObjectId, _T]):
    """A cache of the last answers of *find*: commits name the same few ids again and again, and nothing answers as fast as a dict."""

    def __init__(self, find: Callable[[ObjectId], _T]) -> None:
        self._find = find
        self._older: dict[ObjectId, _T] = {}

    def __missing__(self, id: ObjectId) -> _T:
        number = self._older.get(id)
        if number is None:
            number = self._find(id)
        if len(self) >= _MOST_RECENT:
            self._older = dict(self)
            self.clear()
        self[id] = number
        return number


class Catalogue:
    """The objects that *store* has when the catalogue is made, by number.

    Only for the holder of the store's ``maintenance``: no pack may be removed while the catalogue is used.
    Memory: 8 bytes for each object in a pack, some hundred for each object in the journal or in a file of its own.
    """

    def __init__(self, store: CollectedStore, settled: Collection[str] = ()) -> None:
        self._store = store
        self._packed = store if isinstance(store, Database) else None
        self.packs = store.packs()
        self.loose = store.loose_objects()
        self._kinds: dict[ObjectId, Kind] = dict(store.journal_objects())
        self._single = list(dict.fromkeys((*self._kinds, *self.loose)))
        self._admitted: list[ObjectId] = []
        self._number = {id: number for number, id in enumerate(self._single)}
        self._recent = Recent(self._find_or_add)
        self.admit: Callable[[ObjectId], int] = self._recent.__getitem__
        """Returns the object's number; an object that was added later, or that the store lacks, gets a new one."""
        self._reads = 0
        self._open_packs(settled)
        self._ends = [0]
        self._prefixes = array("I")
        self._numbers = array("I")
        self.duplicates = array("I")
        """The numbers of second copies, whose objects have another number."""
        for first in range(256):
            self._add_ids(first)
        if settled:
            self._find_settled_copies()
        self.loose_numbers = frozenset(self._number[id] for id in self.loose)
        self._written: dict[int, int] = {}
        for number, id in enumerate(self._single):
            self._add_single(number, id)
        self._is_copy = bytearray(self.size if self.duplicates else 0)
        for number in self.duplicates:
            self._is_copy[number] = 1
        self.release()

    def _open_packs(self, settled: Collection[str]) -> None:
        """Open all packs and number their objects: the youngest pack first, the *settled* packs last."""
        self._names = sorted(self.packs, key=lambda name: (name in settled, -self.packs[name], name))
        self._opened: list[Pack] = [] if self._packed is None else list(map(self._packed.pack, self._names))
        self._bases: list[int] = list(accumulate((pack.count for pack in self._opened), initial=len(self._single)))
        self.size = self._bases.pop()
        unsettled = len(self.packs) - len(settled)
        self._unsettled = self._opened[:unsettled]
        self._settled = list(zip(self._bases[unsettled:], self._opened[unsettled:], strict=True))
        self.settled_from = self._settled[0][0] if settled else self.size
        """The lowest number of an object in a settled pack."""

    def _add_ids(self, first: int) -> None:
        """Add the ids of all packs that begin with the byte *first*, in order."""
        rows = []
        for base, pack in zip(self._bases, self._unsettled, strict=False):
            rows += [prefix << 32 | base + ordinal for prefix, ordinal in pack.index_rows(first)]
        rows.sort()
        self._prefixes.extend([row >> 32 for row in rows])
        self._numbers.extend([row & NONE for row in rows])
        self._ends.append(len(rows) + self._ends[-1])
        if len(self._unsettled) > 1:
            for _, alike in groupby(rows, key=lambda row: row >> 32):
                self._add_duplicates([row & NONE for row in alike])

    def _add_duplicates(self, numbers: list[int]) -> None:
        if len(numbers) > 1:
            firsts: set[ObjectId] = set()
            for number in numbers:
                id = self.id_of(number)
                if id in firsts:
                    self.duplicates.append(number)
                firsts.add(id)

    def _find_settled_copies(self) -> None:
        """Give the objects that a settled pack also has their number in that pack."""
        for number in (*range(len(self._single)), *self._numbers):
            id = self.id_of(number)
            settled = self._search_settled(id)
            if settled is not None:
                self._number[id] = settled
                self.duplicates.append(number)

    def _search_settled(self, id: ObjectId) -> int | None:
        for base, pack in self._settled:
            ordinal = pack.ordinal_of(id)
            if ordinal is not None:
                return base + ordinal
        return None

    def _add_single(self, number: int, id: ObjectId) -> None:
        packed = self._search(id)
        if packed is not None and packed < self.settled_from:
            self.duplicates.append(packed)
            self._written[number] = self._written_in_pack(packed)

    def operations(self) -> Iterator[range]:
        """Yield the numbers of all operations."""
        for base, pack in zip(self._bases, self._opened, strict=True):
            for kind, first, number in pack.runs():
                if kind == "operation":
                    yield range(base + first, base + first + number)
        for number, id in enumerate(self._single):
            if (self._kinds.get(id) or self._store.loose_kind(id)) == "operation":
                yield range(number, number + 1)

    def number_of(self, id: ObjectId) -> int | None:
        """The object's number; None if the store does not have the object."""
        number = self._recent.get(id)
        if number is None:
            number = self._number.get(id)
        return self._search(id) if number is None else number

    def pieces(self) -> Iterator[tuple[str | None, range]]:
        """Yield the packs that are not settled, with the numbers of their objects; the objects in the journal or in files come first, with None as the name."""
        yield None, range(len(self._single))
        for name, base, pack in zip(self._names, self._bases, self._unsettled, strict=False):
            yield name, range(base, base + pack.count)

    def is_settled(self, number: int) -> bool:
        """True if the object is in a settled pack."""
        return self.settled_from <= number < self.size

    def has(self, id: ObjectId) -> bool:
        """True if the store had the object when the catalogue was made."""
        number = self.number_of(id)
        return number is not None and number < self.size

    def _search(self, id: ObjectId) -> int | None:
        low, high = self._ends[id[0]], self._ends[id[0] + 1]
        key = int.from_bytes(id[1:5], "big")
        at = bisect_left(self._prefixes, key, low, high)
        while at < high and self._prefixes[at] == key:
            number = self._numbers[at]
            if self.id_of(number) == id:
                return number
            at += 1
        return self._search_settled(id)

    def _find_or_add(self, id: ObjectId) -> int:
        number = self.number_of(id)
        if number is None:
            number = self._number[id] = self.size + len(self._admitted)
            self._admitted.append(id)
        return number

    def id_of(self, number: int) -> ObjectId:
        """The id of the object *number*."""
        if number < len(self._single):
            return self._single[number]
        if number >= self.size:
            return self._admitted[number - self.size]
        at = bisect_right(self._bases, number) - 1
        return self._opened[at].id_at(number - self._bases[at])

    def kind_of(self, number: int) -> Kind:
        """The kind of an object that the store had when the catalogue was made."""
        if number < len(self._single):
            id = self._single[number]
            return self._kinds.get(id) or self._store.loose_kind(id)
        at = bisect_right(self._bases, number) - 1
        return self._opened[at].kind_at(number - self._bases[at])

    def written(self, number: int) -> int | None:
        """When the object was last written, in nanoseconds since 1970; None if it is in the journal, that is, just written."""
        if number < len(self._single):
            id = self._single[number]
            if id in self._kinds:
                return None
            return max(self.loose[id], self._written.get(number, 0))
        return self._written_in_pack(number)

    def _written_in_pack(self, number: int) -> int:
        return self.packs[self._names[bisect_right(self._bases, number) - 1]]

    def read(self, number: int) -> Object:
        """Return the object; BlobNotFoundError if the store does not have it."""
        self._count_read()
        if len(self._single) <= number < self.size:
            at = bisect_right(self._bases, number) - 1
            assert self._packed is not None
            return self._packed.read_packed(self._names[at], number - self._bases[at])
        id = self.id_of(number)
        try:
            return self._store.read(id)
        except BlobNotFoundError:
            raise BlobNotFoundError(id.hex(), UNTOLD) from None

    def size_of(self, number: int) -> int:
        """The size that gc counts for an object, in bytes: its payload before compression plus its id, so packing does not change it. An object that cannot be read counts as its id."""
        try:
            return len(self.read(number).payload) + ID_SIZE
        except (BlobNotFoundError, ObjectCorruptError):
            return ID_SIZE

    def _count_read(self) -> None:
        self._reads += 1
        if not self._reads % _READS_BEFORE_RELEASE:
            self.release()

    def folded(self, number: int, ordinal: int, places: Sequence[int]) -> Folded | None:
        """Return the object folded for the place *ordinal* of a new pack, made directly from its bytes in the old pack; None if that is not possible.

        *places* gives, by number, the ordinals of the new pack's objects, and NONE for other objects.
        """
        _, part = self._as_it_lies(number)
        return None if part is None else refold(part, ordinal, places, number, NONE)

    def names(self, number: int) -> Names | None:
        """The objects that a commit or chunk of a common form names, by number, read directly from its bytes in the pack; None for every other object."""
        beside, part = self._as_it_lies(number)
        found = None if part is None else names_in(part, number)
        if found is None:
            return None
        numbers = found.numbers
        if min(numbers) < beside.start or max(numbers) >= beside.stop:
            return None  # the normal read raises the error
        if not self._is_copy:
            return found
        return found._replace(numbers=[self.admit(self.id_of(n)) if self._is_copy[n] else n for n in numbers])

    def _as_it_lies(self, number: int) -> tuple[range, bytes | None]:
        """The numbers of an object's pack, and the object with its ids taken out; None for the object if no ids were taken out, or it is in no pack."""
        if not len(self._single) <= number < self.size:
            return range(0), None
        self._count_read()
        at = bisect_right(self._bases, number) - 1
        base = self._bases[at]
        assert self._packed is not None
        return range(base, base + self._opened[at].count), self._packed.folded(self._names[at], number - base)

    def payloads(self, numbers: Iterable[int]) -> Iterator[bytes]:
        """Yield the payloads of the objects *numbers*, read one at a time."""
        return (self.read(number).payload for number in numbers)

    def release(self) -> None:
        """Free the memory that pages of packs take."""
        if self._packed is not None:
            self._packed.release()

    def in_order(self) -> Iterator[int]:
        """Yield the numbers of all objects that are not settled: first those in the journal or in files, then those in packs by id, whatever their pack."""
        yield from range(len(self._single))
        yield from self._numbers
