"""What a ref store is: names that move, all of an update or none of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Final, Literal, Protocol, TypeAlias

from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import NewObject, Operation, RefChange, RefValue
from tract.refs.ref_table import RefTable
from tract.storage.store import ObjectStore


class Expect(Enum):
    """What an edit may demand of a ref beside a value of it."""

    ANY = "any"


ANY: Final = Expect.ANY
Expected: TypeAlias = RefValue | Literal[Expect.ANY] | None


class RefEdit(NamedTuple):
    """Move *name* to *new* (None deletes it) if it is at *expected* now; None expects that there is no such ref."""

    name: str
    new: RefValue | None
    expected: Expected = ANY


class RefStore(Protocol):
    """Refs by name.

    A ref holds an id, or the name of another ref where it is symbolic.
    """

    def read(self, name: str) -> RefValue | None:
        """What the ref holds, as this store last saw it; None when there is no such ref."""
        ...

    def list(self, prefix: str = "") -> tuple[tuple[str, RefValue], ...]:
        """The refs whose names begin with *prefix*, in order of name."""
        ...

    def tracts(self) -> Iterator[tuple[str, int | None, int | None]]:
        """The prefix of every tract with refs, and when it was made and last changed, in microseconds since 1970, as far as that is kept."""
        ...

    def now(self) -> RefTable:
        """Where all refs are now, whatever becomes of them."""
        ...

    def refresh(self) -> None:
        """See what other processes did."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Be the only one that moves refs; what others did before is seen after ``refresh``."""
        ...

    def update(self, edits: Sequence[RefEdit], *, reason: str, objects: Sequence[NewObject] = ()) -> None:
        """Write *objects* and make all the *edits*, or nothing.

        RefMovedError when a ref is not where its edit expects it.
        """
        ...

    def land(self, edits: Sequence[RefEdit], *, reason: str, objects: Sequence[NewObject] = ()) -> None:
        """The same, for the holder of the lock who saw what others did."""
        ...

    @property
    def note_moves(self) -> int:
        """A number that stays the same as long as no ref of notes moves, that is known here; but for those of keys, which nothing shows."""
        ...

    def history(self) -> Iterator[tuple[ObjectId, Operation]]:
        """Every operation, newest first, as far back as they are kept."""
        ...

    @property
    def last(self) -> ObjectId | None:
        """The newest operation."""
        ...

    def close(self) -> None: ...


class Mirror(Protocol):
    """Where changes of refs are shown beside the log."""

    def write(self, changes: Sequence[RefChange], *, sure: bool = True) -> None:
        """Show the new values: first those of refs that are gone, then the others in their order; *sure* unless their operations may not be on the disk."""
        ...

    def names(self) -> Iterator[str]:
        """Every ref of which something is shown."""
        ...

    def shows(self, change: RefChange) -> bool:
        """Whether the change's new value is what is shown."""
        ...

    def check_against(self, store: ObjectStore, names: Sequence[str]) -> None:
        """ObjectCorruptError where what is shown proves that an operation was lost."""
        ...

    def check_held(self, refs: RefStore, names: Sequence[str]) -> None:
        """ObjectCorruptError where what is shown was never held, which proves the same."""
        ...

    def close(self) -> None: ...
