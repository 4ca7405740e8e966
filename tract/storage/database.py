"""The object store on disk, for writers and gc: appends go to the journal, a full journal becomes a pack, and large objects are files of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from tract.errors import DurabilityError, GCError, LockTimeoutError, ObjectCorruptError, ReadOnlyError
from tract.objects.id import KINDS, Kind, ObjectId, object_id
from tract.objects.model import NewObject, Object
from tract.storage import files
from tract.storage.journal import create_journal
from tract.storage.locks import FileLock, ThreadLock
from tract.storage.object_record import LOOSE_LIMIT
from tract.storage.pack import Pack
from tract.storage.store import Durability
from tract.storage.store_reader import EVIDENCE, ObjectReader

if TYPE_CHECKING:
    from tract.storage.pack_writer import Packing

JOURNAL_LIMIT = 4 * 1024 * 1024
"""A journal that is larger, in bytes, is sealed into a pack."""

# Reading a whole pack would otherwise bring all of its ids to memory.
_READS_BEFORE_RELEASE = 8192

# Blobs that were just written are kept in memory, of so many bytes at most.
_LATEST_KEPT = 64
_LATEST_SIZE = 16 * 1024

# More objects than this of more bytes of payload go into a pack before their operation.
# Its frames hold many of them, so it takes a third of the room of as many records and less time, which pays for two more syncs; and whoever opens the store has less of a journal to read.
_MOST_OBJECTS = 128
_MOST_BYTES = 64 * 1024
_BYTES_A_PACK = 8 * 1024


def create_database(path: str, operation: NewObject) -> None:
    """Lay out the folder *path* for objects, with a journal that begins with the keyframe *operation*."""
    files.make_directory(path)
    files.make_directory(os.path.join(path, "pack"))
    create_journal(os.path.join(path, "journal"), (operation,))


class _Lock:
    """A database's lock, for ``with``: every commit takes it, and a generator's would take longer."""

    __slots__ = ("_database", "_is_held")

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.acquire()
        self._is_held = True

    def __exit__(self, *_: object) -> None:
        # Ctrl-C may come when this begins, and then ``__del__`` does it; nothing of it is in a method, for that begins too.
        self._is_held = False
        database = self._database
        try:
            database._held -= 1
            if not database._held:
                database._is_current = False
                try:
                    database._file_lock.release()
                except BaseException:
                    database._file_lock.release()  # that began in the moment of Ctrl-C; twice does no harm
                    raise
        finally:
            database._thread_lock.release()

    def __del__(self) -> None:
        if getattr(self, "_is_held", False):
            self.__exit__()


class Database(ObjectReader):
    """An open object store under ``objects/``."""

    def __init__(self, path: str, locks: str, durability: Durability = "full", *, read_only: bool = False) -> None:
        lock_path = os.path.join(locks, "journal")
        files.check_file(lock_path)
        self._file_lock = FileLock(lock_path)
        self._thread_lock = ThreadLock()
        self._held = 0
        self.packed_from = _MOST_BYTES
        """Many objects of more bytes of payload go into a pack of their own. Who lands as many again and again asks for more: a store of a thousand small packs is slow to look into."""

        self._sync = durability == "full"
        self._gc_lock_path = os.path.join(locks, "gc")
        self.before_clearing: Callable[[], None] | None = None
        super().__init__(path, lock_path, read_only=read_only)

    @property
    def durability(self) -> Durability:
        """Whether a write survives a power cut (``full``), or only the death of the process."""
        return "full" if self._sync else "process"

    def write_many(self, objects: Sequence[NewObject]) -> tuple[ObjectId, ...]:
        self._check_open()
        with self.lock():
            for new in objects:
                # Written even where a pack has it: that copy may be garbage which gc is about to drop.
                self._loose.write(new)
        return tuple(new.id for new in objects)

    def lock(self) -> AbstractContextManager[None]:
        return _Lock(self)

    def _check_writable(self) -> None:
        """ReadOnlyError where the store was opened to be read: neither a lock nor anything behind one is touched."""
        if self.read_only:
            raise ReadOnlyError(os.path.dirname(self.path))

    def acquire(self) -> None:
        """Be the only writer, with all that others appended in sight; ``lock()`` also lets go."""
        self._check_writable()
        self._thread_lock.acquire()
        try:
            self._check_open()
            if self._held:
                self._held += 1
                return
            try:
                self._file_lock.acquire()
                self._held = 1
                self._look()
                if self._journal.torn or self._missing:
                    self._clear_torn_end()
                self._is_current = True
            except BaseException:
                self._held = 0
                self._file_lock.release()  # also where it was taken a moment before Ctrl-C
                raise
        except BaseException:
            self._thread_lock.release()
            raise

    def _clear_torn_end(self) -> None:
        if self.before_clearing is not None:
            self.before_clearing()
        was_acknowledged = self._journal.behind or self._missing
        evidence = os.path.join(self.path, f"{EVIDENCE}{time.time_ns()}")
        self._journal.clear_torn_end(evidence if was_acknowledged else None)
        self._missing = 0

    def append(self, objects: Sequence[NewObject], operation: NewObject, *, keyframe: bool) -> None:
        try:
            kept = self._write_ahead(objects, operation)
            if self._sync:
                self._sync_names()
        except DurabilityError as exc:
            # No operation names what was written, whatever is to be seen of it.
            raise DurabilityError(str(exc), visible=False) from exc
        self._journal.append(kept, sync=self._sync, keyframe=keyframe, is_first=not self._packs)
        self._write_mark()
        self._remember(objects)

    def _write_mark(self) -> None:
        """Say beside the journal how far it goes now; a mark that cannot be written is only behind."""
        try:  # noqa: SIM105  # every commit comes by
            self._file_lock.write(self._journal.packed_mark())
        except OSError:
            pass

    def _remember(self, objects: Sequence[NewObject]) -> None:
        """Keep the last blobs that were written: whoever commits a message mostly counts or compiles it next."""
        latest = self._latest
        for id, kind, payload in objects[-_LATEST_KEPT:]:
            if kind == "blob" and len(payload) <= _LATEST_SIZE:
                latest[id] = Object(kind, payload)
        while len(latest) > _LATEST_KEPT:
            del latest[next(iter(latest))]

    def _write_ahead(self, objects: Sequence[NewObject], operation: NewObject) -> list[NewObject]:
        """Write what does not belong in the journal, and give back what does."""
        kept: list[NewObject] = []
        for new in objects:
            id, kind, payload = new
            if len(payload) > LOOSE_LIMIT:
                self._loose.write(new)
            elif kind == "commit" or not self._is_known(id):
                kept.append(new)
        kept.append(operation)
        return self._append_ahead(kept) if len(kept) > _MOST_OBJECTS else kept

    def _sync_names(self) -> None:
        """Bring out the names that lead to the journal and the packs: who gave them may have died before it did."""
        if not self._names_synced:
            store = os.path.dirname(self.path)
            for folder in (os.path.realpath(os.path.dirname(store)), self.path, self._pack_path):
                files.sync_directory(folder)
            self._names_synced = True

    def _append_ahead(self, objects: list[NewObject]) -> list[NewObject]:
        """Write the front of a batch too large for one transaction as packs; what is left for the last one.

        Nothing names these objects before the operation does, so a crash in between leaves only garbage.
        """
        objects = list({new[0]: new for new in objects}.values())
        # The more packs there are, the larger is the next: 500 of them took 54 ms to open, and half of a commit to ask for its blob.
        least = min(max(self.packed_from, _BYTES_A_PACK * len(self._packs)), JOURNAL_LIMIT)
        if sum([len(payload) for _, _, payload in objects]) <= least:
            return objects
        self._write_pack(objects[:-1], quick=True)
        self._open_packs()
        return objects[-1:]

    def is_full(self) -> bool:
        return self._journal.size > JOURNAL_LIMIT

    def seal(self, keyframe: NewObject, chunks: Sequence[NewObject] = ()) -> None:
        """Bring the journal's objects into a pack and begin a new journal.

        The pack and its index are on the disk before the journal that held the objects goes; a crash in between leaves both, which is harmless.
        """
        self._write_pack(list(self._journal.objects()))
        self.begin_journal((*chunks, keyframe))

    def begin_journal(self, objects: Sequence[NewObject], *, zeros: bool = True) -> None:
        """Put a new journal of *objects*, the last of them a keyframe, in the place of the old one."""
        create_journal(self._journal_path, objects, zeros=zeros)
        self._look()

    def _write_pack(self, objects: Sequence[NewObject], *, quick: bool = False) -> None:
        """Write a pack of *objects*, apart by kind, each kind in the order given: like compresses best beside like. A *quick* one is larger."""
        from tract.storage.pack_writer import QUICK_LEVEL, SEAL_LEVEL, Group, write_pack  # once in many commands

        by_kind: dict[Kind, list[NewObject]] = {kind: [] for kind in KINDS}
        for new in objects:
            by_kind[new.kind].append(new)
        groups = [Group(kind, [new.id for new in found]) for kind, found in by_kind.items() if found]
        payloads = [new.payload for found in by_kind.values() for new in found]
        write_pack(self._pack_path, groups, payloads, level=QUICK_LEVEL if quick else SEAL_LEVEL, folds=not quick)

    # For gc: it holds ``maintenance`` for all of these, and the lock for those that remove or replace.

    @contextmanager
    def maintenance(self, *, looks: bool = False) -> Iterator[None]:
        """Hold the lock that only one gc can have; GCError while another process has it. To *look* at a store that was opened to be read takes no lock."""
        if looks and self.read_only:
            yield
            return
        self._check_writable()
        lock = FileLock(self._gc_lock_path)
        try:
            lock.acquire(timeout=0.0)
        except LockTimeoutError:
            lock.close()
            raise GCError("another gc is running") from None
        try:
            yield
        finally:
            lock.close()

    def mark_collected(self) -> None:
        """Remember when gc ran last: ``count_new_packs`` and ``count_new_loose`` count only what is newer."""
        os.utime(self._gc_lock_path)

    def count_new_packs(self) -> int:
        """How many packs were written since the last gc."""
        since = os.stat(self._gc_lock_path).st_mtime_ns
        names = [name for name in files.list_directory(self._pack_path) if name.endswith(".idx")]
        return sum(files.time_of(os.path.join(self._pack_path, name)) > since for name in names)

    def count_new_loose(self, limit: int) -> int:
        """How many loose objects were written since the last gc; 0 where there are not even *limit* of any age."""
        ids = list(self._loose.names())
        if len(ids) < limit:
            return 0
        since = os.stat(self._gc_lock_path).st_mtime_ns
        return sum(files.time_of(self._loose.path_of(id)) > since for id in ids)

    def packs(self) -> dict[str, int]:
        """The packs there are, by the name of their index, with the time they were written, in nanoseconds since 1970."""
        self._open_packs()
        return {name: files.time_of(pack.index_path) for name, pack in self._packs.items()}

    def pack(self, name: str) -> Pack:
        """One of ``packs``; to read many payloads from it, ``read_packed`` is kinder to memory."""
        return self._packs[name]

    def read_packed(self, name: str, ordinal: int) -> Object:
        """An object of one pack, by its ordinal."""
        if name != self._recent:
            self._go_to(name)
        return self._packs[name].object_at(ordinal)

    def folded(self, name: str, ordinal: int) -> bytes | None:
        """The same as it lies, where ids were taken out of it."""
        if name != self._recent:
            self._go_to(name)
        return self._packs[name].folded_at(ordinal)

    def release(self) -> None:
        """Free the memory that holds what was read from packs."""
        for pack in self._packs.values():
            pack.release()

    def loose_objects(self) -> dict[ObjectId, int]:
        """The loose objects, with the time they were written, in nanoseconds since 1970."""
        return {id: files.time_of(self._loose.path_of(id)) for id in self._loose.names()}

    def loose_kind(self, id: ObjectId) -> Kind:
        """The kind of a loose object; one that is damaged passes for a blob, since nothing needs it."""
        try:
            obj = self._loose.read(id)
        except ObjectCorruptError:
            obj = None
        return "blob" if obj is None else obj.kind

    def is_large(self, id: ObjectId) -> bool:
        """Whether a loose object is too large to be worth copying into a pack."""
        return os.stat(self._loose.path_of(id)).st_size > LOOSE_LIMIT // 4

    def journal_objects(self) -> Iterator[tuple[ObjectId, Kind]]:
        """Every object of the journal."""
        return self._journal_ids()

    def has_new_objects(self) -> bool:
        """Whether the journal has anything but operations."""
        return any(kind != "operation" for _, kind in self._journal_ids())

    def write_pack(
        self,
        packing: Packing,
        *,
        level: int,
        dictionary: bytes = b"",
        written: int | None = None,
    ) -> str:
        """Write a pack, read all of it again, and open it; the name of its index.

        What does not hash to its id after all is a GCError, and the pack is removed: a disk may lie, and a compressor be wrong.
        *written* is the time to give it, in nanoseconds since 1970, for objects that are no younger for being copied.
        """
        from tract.storage.pack_writer import write_packing

        path = write_packing(self._pack_path, packing, level=level, dictionary=dictionary)
        name = os.path.basename(path).removesuffix(".pack") + ".idx"
        if written is not None:
            os.utime(os.path.join(self._pack_path, name), ns=(written, written))
        self.release()
        try:
            _prove(path)
        except (GCError, ObjectCorruptError):
            if name not in self._packs:  # a pack of the same bytes may have been there before, and be all there is
                self._unlink_packs([name])
            raise
        self._open_packs()
        return name

    def make_room(self) -> None:
        """Give back what can be made again: half-written files, and the zeros at the journal's end. Only for the holder of the lock and of ``maintenance``."""
        self.remove_leftovers()
        self._journal.trim()

    def use_room(self) -> None:
        """Write zeros ahead in the journal again; only for the holder of the lock."""
        self._journal.extend()

    def rotate(self, objects: Sequence[NewObject], keyframe: NewObject) -> None:
        """Bring the journal's objects into a pack, but for its operations, and begin a new journal with *objects* and *keyframe*.

        Every other handle sees the new journal before it appends, and looks at the packs anew.
        """
        kept = [new for new in self._journal.objects() if new.kind != "operation"]
        if kept:
            self._write_pack(kept)
        self.begin_journal((*objects, keyframe))

    def drop_packs(self, names: Iterable[str]) -> None:
        """Remove packs whose objects are in others, or wanted no more."""
        gone = list(names)
        for name in gone:
            self._close_pack(name)
        self._unlink_packs(gone)

    def _unlink_packs(self, names: Sequence[str]) -> None:
        """Remove packs, the indexes first: an index makes a pack visible, and one without its pack looks like damage."""
        for name in names:
            files.unlink(os.path.join(self._pack_path, name))
        if names:
            files.sync_directory(self._pack_path)
        for name in names:
            files.unlink(os.path.join(self._pack_path, name.removesuffix(".idx") + ".pack"))

    def drop_loose(self, written: Mapping[ObjectId, int]) -> None:
        """Remove loose objects, but for those that were written again after the time given with each."""
        for id, moment in written.items():
            path = self._loose.path_of(id)
            if files.time_of(path) == moment:
                files.unlink(path)

    def remove_leftovers(self) -> None:
        """Remove what processes that were killed left behind: half-written files and imports, and packs that never got their index."""
        names = files.list_directory(self._pack_path)
        for name in names:
            is_pack = name.endswith(".pack") and name.removesuffix(".pack") + ".idx" not in names
            if is_pack or name.startswith(".tmp-"):
                files.unlink(os.path.join(self._pack_path, name))
        from tract.storage.quarantine import remove_quarantines  # as above

        remove_quarantines(self.path)
        folders = [self.path, *(os.path.join(self.path, f"{byte:02x}") for byte in range(256))]
        for folder in folders:
            for name in files.list_directory(folder):
                if name.startswith(".tmp-"):
                    files.unlink(os.path.join(folder, name))

    def close(self) -> None:
        super().close()
        self._file_lock.close()


def _prove(path: str) -> None:
    """Read all of a pack; GCError where an object does not hash to its id."""
    pack = Pack(path)
    try:
        for number, new in enumerate(pack.objects()):
            if object_id(new.kind, new.payload) != new.id:
                raise GCError(f"object {new.id.hex()} does not hash to its id")
            if not number % _READS_BEFORE_RELEASE:
                pack.release()
    finally:
        pack.close()
