"""The interface of ref stores: names that move, all moves of an update or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from enum import Enum

from tract.annotations import Final, Literal, Protocol, TypeAlias
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import NewObject, Operation, RefChange, RefValue
from tract.refs.ref_table import RefTable
from tract.storage.store import ObjectStore


class Expect(Enum):
    """What an edit may expect of a ref other than a value."""

    ANY = "any"


ANY: Final = Expect.ANY
Expected: TypeAlias = RefValue | Literal[Expect.ANY] | None


class RefEdit(NamedTuple):
    """Move *name* to *new* (None deletes it) if it is at *expected* now; None expects that the ref does not exist."""

    name: str
    new: RefValue | None
    expected: Expected = ANY


class RefStore(Protocol):
    """Refs by name.

    A ref holds an id, or, if it is symbolic, the name of another ref.
    """

    def read(self, name: str) -> RefValue | None:
        """The value of the ref as this store last saw it; None if it does not exist."""
        ...

    def list(self, prefix: str = "") -> tuple[tuple[str, RefValue], ...]:
        """The refs whose names begin with *prefix*, in order of name."""
        ...

    def tracts(self) -> Iterator[tuple[str, int | None, int | None]]:
        """Yield the prefix of every tract with refs, and when it was made and last changed, in microseconds since 1970, or None if not kept."""
        ...

    def now(self) -> RefTable:
        """A copy of the state of all refs, which later moves do not reach."""
        ...

    def refresh(self) -> None:
        """Read what other processes did."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Hold the lock, so that no one else moves refs; call ``refresh`` to see earlier moves by others."""
        ...

    def update(self, edits: Sequence[RefEdit], *, reason: str, objects: Sequence[NewObject] = ()) -> None:
        """Write *objects* and make all the *edits*, or nothing.

        RefMovedError if a ref is not at the value that its edit expects.
        """
        ...

    def land(self, edits: Sequence[RefEdit], *, reason: str, objects: Sequence[NewObject] = ()) -> None:
        """Do the same as ``update``, for the holder of the lock, after ``refresh``."""
        ...

    @property
    def note_moves(self) -> int:
        """A number that stays the same while no known ref of notes moves; the notes of keys, which no output shows, do not count."""
        ...

    def history(self) -> Iterator[tuple[ObjectId, Operation]]:
        """Yield every operation that is kept, newest first."""
        ...

    @property
    def last(self) -> ObjectId | None:
        """The newest operation."""
        ...

    def close(self) -> None: ...


class Mirror(Protocol):
    """A second place that shows changes of refs, beside the log."""

    def write(self, changes: Sequence[RefChange], *, sure: bool = True) -> None:
        """Show the new values: first delete the refs that are gone, then write the others in their order. *sure* is False if their operations may not be on the disk."""
        ...

    def names(self) -> Iterator[str]:
        """Yield every ref that the mirror shows."""
        ...

    def shows(self, change: RefChange) -> bool:
        """True if the mirror shows the change's new value."""
        ...

    def check_against(self, store: ObjectStore, names: Sequence[str]) -> None:
        """Raise ObjectCorruptError if the mirror proves that an operation was lost."""
        ...

    def check_held(self, refs: RefStore, names: Sequence[str]) -> None:
        """Raise ObjectCorruptError if the mirror shows a value that a ref never held, which also proves a lost operation."""
        ...

    def close(self) -> None: ...
