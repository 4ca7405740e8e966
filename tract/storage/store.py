"""The interface of object stores: bytes that are written once and found by their id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from tract.annotations import Literal, Protocol, TypeAlias
from tract.errors import ObjectCorruptError
from tract.named_tuple import NamedTuple
from tract.objects.id import Kind, ObjectId
from tract.objects.model import NewObject, Node, Object, Outline
from tract.storage.payloads import Chunks, Payloads

Durability: TypeAlias = Literal["full", "process"]


class StoreStats(NamedTuple):
    """How many objects lie where; sizes are in bytes on disk."""

    journal_objects: int
    journal_size: int
    packed_objects: int
    packs: int
    pack_size: int
    loose_objects: int
    loose_size: int

    @property
    def size(self) -> int:
        """The total of bytes on disk."""
        return self.journal_size + self.pack_size + self.loose_size


def payload_of(id: ObjectId, obj: Object, kind: Kind) -> bytes:
    """The payload of *obj*; ObjectCorruptError if it is of another kind."""
    if obj.kind != kind:
        raise ObjectCorruptError(f"object {id.hex()}", f"expected a {kind}, found a {obj.kind}")
    return obj.payload


class ObjectStore(Protocol):
    """Objects by id."""

    def read(self, id: ObjectId) -> Object:
        """Return the object; BlobNotFoundError if it is missing, ObjectCorruptError if its bytes do not match its id.

        StorageError if the system refuses to read it.
        """
        ...

    def payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        """Return the payloads of many objects of one kind, in the order of *ids*; objects that lie together are read at once.

        Errors are those of ``read``; ObjectCorruptError also names an object of another kind.
        """
        ...

    def nodes(self, ids: Sequence[ObjectId]) -> list[Node]:
        """Return many tree nodes, in the order of *ids*; errors are those of ``payloads``."""
        ...

    def chunks(self, ids: Sequence[ObjectId]) -> Chunks:
        """Return the entries of many chunks; errors are those of ``nodes``, and ObjectCorruptError for a node that is not a chunk."""
        ...

    def blobs(self, ids: Sequence[ObjectId]) -> Payloads:
        """Return the payloads of many blobs, as ``payloads`` does, but cut and unpacked only when they are used."""
        ...

    def outlines_beside(self, id: ObjectId) -> dict[ObjectId, Outline]:
        """Return the outlines of the commit *id* and of commits stored beside it, if reading them all costs little more than reading one; else an empty dict."""
        ...

    def holding(self, test: Callable[[bytes], object]) -> set[ObjectId]:
        """Return the ids of blobs whose payload passes *test*, reachable or not, and of damaged blobs.

        If a payload passes, any bytes that contain it must pass too: many payloads are tested at once.
        """
        ...

    def contains(self, id: ObjectId) -> bool: ...

    def find(self, prefix: str) -> tuple[ObjectId, ...]:
        """Return every id that begins with the hexadecimal digits *prefix*, in order."""
        ...

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        """Yield every object once, in no particular order."""
        ...

    def write_many(self, objects: Sequence[NewObject]) -> tuple[ObjectId, ...]:
        """Store objects that no operation names yet."""
        ...

    def stats(self) -> StoreStats: ...

    def close(self) -> None: ...


class JournalStore(ObjectStore, Protocol):
    """An object store, with the log of operations that made its objects reachable.

    ``append`` writes objects and one operation in a single step: after it all of them are there, before it none.
    Only a holder of ``lock()`` may append, and it must not hold the lock across anything slow.
    """

    def lock(self) -> AbstractContextManager[None]:
        """Become the only writer; what others appended before can be seen inside."""
        ...

    def refresh(self) -> bool:
        """Read what other processes appended; return whether there was anything new."""
        ...

    def append(self, objects: Sequence[NewObject], operation: NewObject, *, keyframe: bool) -> None: ...

    def operations(self) -> list[ObjectId]:
        """The operations from the newest keyframe on, oldest first.

        The same list as long as it only grows, and a new list after a keyframe; the caller must not change it.
        """
        ...

    def is_full(self) -> bool:
        """True if it is time to ``seal``."""
        ...

    def seal(self, keyframe: NewObject, chunks: Sequence[NewObject] = ()) -> None:
        """Convert what was appended into its lasting form, and begin again with the operation *keyframe*, and with the chunks of refs that it names and the store lacks."""
        ...
