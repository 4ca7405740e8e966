"""The protocol with one step taken out, to show that the harness notices.

Each mutant names the step; where the step is defence behind another, ``redundant`` says which other one holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

from tests.faults.crash_gc_mutants import gc_mutants
from tests.faults.crash_mutant import Mutant, during, nothing, patched
from tests.faults.crash_recording import replaced
from tract import opening as store_opening
from tract.agents import acting
from tract.api import opening
from tract.objects.model import NewObject
from tract.refs import ref_files
from tract.refs.operations import OperationRefs
from tract.storage import database, files, journal, journal_format
from tract.storage.database import Database
from tract.storage.files import NewFile
from tract.storage.journal import Journal
from tract.storage.journal_format import Span
from tract.storage.loose import LooseObjects


def _without_sync_before(real: Any = Journal.append) -> Callable[[], AbstractContextManager[None]]:
    def append(self: Journal, objects: Sequence[NewObject], **how: bool) -> None:
        self._synced = self._end
        real(self, objects, **how)

    return patched(Journal, append=append)


def _operation_before_objects(real: Any = Journal.append) -> Callable[[], AbstractContextManager[None]]:
    def append(self: Journal, objects: Sequence[NewObject], *, sync: bool, **others: bool) -> None:
        real(self, objects[-1:], sync=False, **others)
        real(self, objects, sync=sync, **others)
        self.operations.pop()

    return patched(Journal, append=append)


def _journal_before_pack() -> Callable[[], AbstractContextManager[None]]:
    def seal(self: Database, keyframe: NewObject, chunks: Sequence[NewObject] = ()) -> None:
        objects = list(self._journal.objects())
        self.begin_journal((*chunks, keyframe))
        self._write_pack(objects)
        self._look()

    return patched(Database, seal=seal)


def _seal_without_pack_sync() -> Callable[[], AbstractContextManager[None]]:
    real = Database._write_pack

    def write(self: Database, objects: Sequence[NewObject], **how: bool) -> None:
        with replaced(files, sync_data=nothing, sync_directory=nothing):
            real(self, objects, **how)

    return patched(Database, _write_pack=write)


class _AnyChecksum:
    """Whatever a checksum ought to be."""

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]  # nothing keeps one


def _no_crc() -> Callable[[], AbstractContextManager[None]]:
    """Neither where the transactions of a journal are taken in, nor where what is behind its end is judged."""

    def whole(data: bytes, position: int, nonce: bytes) -> Span | None:
        size = journal_format.TRANSACTION.size
        if data[position : position + 8] != nonce or len(data) - position < size:
            return None
        _, _, length, flags, _, records, number = journal_format.TRANSACTION.unpack_from(data, position)
        end = position + size + length
        return None if end > len(data) else Span(position, end, number, flags, records)

    @contextmanager
    def apply() -> Iterator[None]:
        with (
            replaced(journal, zlib=SimpleNamespace(crc32=lambda _: _AnyChecksum())),
            replaced(journal_format, whole_transaction=whole),
        ):
            yield

    return apply


def _no_clearing() -> Callable[[], AbstractContextManager[None]]:
    def clear(self: Journal, _evidence: str | None) -> None:
        self.torn = False

    return patched(Journal, clear_torn_end=clear)


def _not_written_anew() -> Callable[[], AbstractContextManager[None]]:
    def sync(self: Journal, *, visible: bool) -> None:
        files.sync_data(self._fd, "journal", visible=visible)
        self._synced = self._end

    return patched(Journal, _sync=sync)


def _shown_before_it_happened() -> Callable[[], AbstractContextManager[None]]:
    real = OperationRefs._write

    def write(self: OperationRefs, changes: Any, reason: str, objects: Sequence[NewObject]) -> None:
        self._show(changes)
        real(self, changes, reason, objects)

    return patched(OperationRefs, _write=write)


def _always_synced_line() -> Callable[[], AbstractContextManager[None]]:
    return patched(ref_files, _DURABILITY={"full": "synced", "process": "synced"})


def _always_synced_flag() -> Callable[[], AbstractContextManager[None]]:
    real = journal.pack_transaction

    def pack(nonce: bytes, objects: Sequence[NewObject], number: int, flags: int) -> bytes:
        return real(nonce, objects, number, flags | journal_format.SYNCED)

    return patched(journal, pack_transaction=pack)


def _any_number() -> Callable[[], AbstractContextManager[None]]:
    real = journal.read_spans

    def spans(data: bytes, start: int, nonce: bytes, number: int) -> Iterator[Span]:
        first = journal_format.whole_transaction(data, start, nonce)
        return real(data, start, nonce, number if first is None else first.number)

    return patched(journal, read_spans=spans)


def _loose_without(sync_data: bool, names: bool) -> Callable[[], AbstractContextManager[None]]:
    inside = {}
    if sync_data:
        inside["sync_data"] = nothing
    if names:
        inside["sync_directory"] = nothing
    return during(LooseObjects, "write", **inside)


def _loose_dedup_without_sync() -> Callable[[], AbstractContextManager[None]]:
    real = LooseObjects.write

    def write(self: LooseObjects, new: NewObject) -> None:
        if not self.contains(new.id):
            real(self, new)

    return patched(LooseObjects, write=write)


def _create_in_place() -> Callable[[], AbstractContextManager[None]]:
    def create(path: str, config: Any) -> None:
        files.make_directories(os.path.dirname(path))
        store_opening._lay_out(path, config)
        files.sync_directory(os.path.dirname(path))

    return patched(opening, create_repository=create)


def _index_before_pack() -> Callable[[], AbstractContextManager[None]]:
    """The pack gets its name after its index; both before the new journal."""
    real = files.write_file
    waiting: list[Callable[[], Any]] = []

    def publish(self: NewFile, name: str) -> str:
        temporary, self._temporary = self._temporary, None
        assert temporary is not None
        path = f"{self._directory}/{name}"

        def later() -> None:
            fd = files.open_write(temporary, create=False)
            files.sync_data(fd, path, visible=False)
            files.close(fd)
            files.rename(temporary, path)
            files.sync_directory(self._directory)

        waiting.append(later)
        return path

    def write(path: str, data: bytes, *, sync: bool) -> None:
        real(path, data, sync=sync)
        if waiting and path.endswith(".idx"):
            last = waiting.pop()
            waiting.clear()  # of those who were killed in between
            last()

    @contextmanager
    def apply() -> Iterator[None]:
        with replaced(NewFile, publish=publish), replaced(files, write_file=write):
            yield

    return apply


def mutants() -> list[Mutant]:
    """Every one of them; made anew, for each remembers the function it stands in for."""
    return [
        Mutant("commit: no sync of the journal", patched(Journal, _sync=nothing)),
        Mutant("commit: no sync of what others wrote before a synced transaction", _without_sync_before()),
        Mutant("commit: names of journal and store not synced again", patched(Database, _sync_names=nothing)),
        Mutant("commit: operation in a write before its objects", _operation_before_objects()),
        Mutant("commit: ref file says synced before the sync", _shown_before_it_happened()),
        Mutant("commit: unsynced ref lines say synced", _always_synced_line()),
        Mutant("commit: unsynced transactions say synced", _always_synced_flag()),
        Mutant("failed sync: bytes not written anew", _not_written_anew()),
        Mutant("recovery: a transaction's CRC is not checked", _no_crc()),
        Mutant("recovery: torn end not cleared", _no_clearing()),
        Mutant(
            "recovery: torn end cleared, but not synced",
            during(Journal, "clear_torn_end", sync_data=nothing),
            "the sync of the next transaction covers it, and a cut before that leaves what was there before, unless a transaction of the very same length follows",
        ),
        Mutant(
            "recovery: a transaction's number is not checked",
            _any_number(),
            "what is behind a hole is cleared before anything is written, so no old transaction can come to lie at the end of a new one",
        ),
        Mutant("seal: new journal before the pack", _journal_before_pack()),
        Mutant("seal: pack and index not synced", _seal_without_pack_sync()),
        Mutant("seal: index before its pack", _index_before_pack()),
        Mutant("seal: new journal not synced", during(database, "create_journal", sync_data=nothing)),
        Mutant("seal: folder not synced after the rename", during(database, "create_journal", sync_directory=nothing)),
        Mutant("write_file: no sync of the data", during(files, "write_file", sync_data=nothing)),
        Mutant("write_file: no sync of the folder", during(files, "write_file", sync_directory=nothing)),
        Mutant("loose: no sync of the data", _loose_without(sync_data=True, names=False)),
        Mutant("loose: no sync of the names", _loose_without(sync_data=False, names=True)),
        Mutant("loose: an object that is there is not synced again", _loose_dedup_without_sync()),
        Mutant("create: not built aside", _create_in_place()),
        Mutant(
            "create: folders above the store not synced",
            during(files, "make_directories", sync_directory=nothing),
        ),
        Mutant(
            "policies: what an action did, and what is said of it, land one after the other",
            patched(acting, _WITHOUT_RIDER=frozenset({"gc", "compress", "annotate"})),
            only="policies",
        ),
        *gc_mutants(),
    ]
