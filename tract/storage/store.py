"""What an object store is: write-once bytes found by their id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TypeAlias

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
        """Bytes on disk, all together."""
        return self.journal_size + self.pack_size + self.loose_size


def payload_of(id: ObjectId, obj: Object, kind: Kind) -> bytes:
    """The payload of an object that must be of that kind."""
    if obj.kind != kind:
        raise ObjectCorruptError(f"object {id.hex()}", f"expected a {kind}, found a {obj.kind}")
    return obj.payload


class ObjectStore(Protocol):
    """Objects by id."""

    def read(self, id: ObjectId) -> Object:
        """The object; BlobNotFoundError when there is none, ObjectCorruptError when its bytes are not its id's.

        StorageError when the system refuses to read it.
        """
        ...

    def payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        """The payloads of many objects of one kind, in the order of *ids*: what lies together is read at once.

        Errors are those of ``read``; ObjectCorruptError also names an object of another kind.
        """
        ...

    def nodes(self, ids: Sequence[ObjectId]) -> list[Node]:
        """Many tree nodes, in the order of *ids*; errors are those of ``payloads``."""
        ...

    def chunks(self, ids: Sequence[ObjectId]) -> Chunks:
        """The entries of many chunks; errors are those of ``nodes``, and ObjectCorruptError for a node that is no chunk."""
        ...

    def blobs(self, ids: Sequence[ObjectId]) -> Payloads:
        """The payloads of many blobs as ``payloads`` gives them, as they lie."""
        ...

    def outlines_beside(self, id: ObjectId) -> dict[ObjectId, Outline]:
        """The outlines of the commit *id* and of those that lie together with it, where reading them all costs little more than reading it; else none."""
        ...

    def holding(self, test: Callable[[bytes], object]) -> set[ObjectId]:
        """The blobs whose payload passes *test*, whether anything leads to them or not, and those that are damaged.

        Bytes that a payload which passes is part of must pass as well: many payloads are tested at once.
        """
        ...

    def contains(self, id: ObjectId) -> bool: ...

    def find(self, prefix: str) -> tuple[ObjectId, ...]:
        """Every id that begins with the hexadecimal digits *prefix*, in order."""
        ...

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        """Every object once, in no promised order."""
        ...

    def write_many(self, objects: Sequence[NewObject]) -> tuple[ObjectId, ...]:
        """Keep objects that no operation names yet."""
        ...

    def stats(self) -> StoreStats: ...

    def close(self) -> None: ...


class JournalStore(ObjectStore, Protocol):
    """An object store, and the log of operations that made its objects real.

    ``append`` writes objects and one operation in a single step: after it both are there, before it neither is.
    Only a holder of ``lock()`` may append; the lock is not held across calls to anything slow.
    """

    def lock(self) -> AbstractContextManager[None]:
        """Be the only writer; what others appended before is seen inside."""
        ...

    def refresh(self) -> bool:
        """Look for what other processes appended; whether there was anything new."""
        ...

    def append(self, objects: Sequence[NewObject], operation: NewObject, *, keyframe: bool) -> None: ...

    def operations(self) -> list[ObjectId]:
        """The operations from the newest keyframe on, oldest first.

        The same list as long as it only grows, another one after a keyframe; not to be changed.
        """
        ...

    def is_full(self) -> bool:
        """Whether it is time to ``seal``."""
        ...

    def seal(self, keyframe: NewObject, chunks: Sequence[NewObject] = ()) -> None:
        """Bring what was appended into its lasting form, and begin again with the operation *keyframe*, and the chunks of refs that it names and the store has not."""
        ...
