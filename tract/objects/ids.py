"""Many ids in one byte string: 32 bytes each, less than half of what separate objects take."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import chain

from tract.annotations import final, overload
from tract.objects.id import ID_SIZE, ObjectId

# Not one Struct per number of ids: the struct module would cache each of them for ever.
_ONE = struct.Struct(f"{ID_SIZE}s")
_MANY = struct.Struct(f"{ID_SIZE}s" * 256)


@final
class Ids(Sequence[ObjectId]):
    """A list of ids that makes each id when it is asked for; *raw* has them back to back.

    Code that may get an Ids or another list compares the ``type``: ``isinstance`` takes five times as long for a child of an abstract class, and every append of a message asks.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __len__(self) -> int:
        return len(self.raw) // ID_SIZE

    @overload
    def __getitem__(self, at: int) -> ObjectId: ...
    @overload
    def __getitem__(self, at: slice) -> Ids: ...
    def __getitem__(self, at: int | slice) -> ObjectId | Ids:
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            if step == 1:
                return Ids(self.raw[start * ID_SIZE : stop * ID_SIZE])
            return Ids(b"".join([self[place] for place in range(start, stop, step)]))
        place = (at + len(self) if at < 0 else at) * ID_SIZE
        found = self.raw[place : place + ID_SIZE]
        if place < 0 or not found:
            raise IndexError(f"index out of range: {at} of {len(self)}")
        return found

    def __iter__(self) -> Iterator[ObjectId]:
        whole = len(self.raw) // _MANY.size * _MANY.size
        yield from chain.from_iterable(_MANY.iter_unpack(self.raw[:whole]))
        yield from chain.from_iterable(_ONE.iter_unpack(self.raw[whole:]))


def join_ids(ids: Sequence[ObjectId]) -> bytes:
    """The bytes of all ids, back to back."""
    return ids.raw if type(ids) is Ids else b"".join(ids)
