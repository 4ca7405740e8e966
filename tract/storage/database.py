"""The object store on disk, for writers and gc: appends go to the journal, a full journal becomes a pack, and large objects are files of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from tract.annotations import TYPE_CHECKING
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

# Otherwise reading a whole pack would bring all of its ids into memory.
_READS_BEFORE_RELEASE = 8192

# Blobs that were just written are kept in memory, each up to this many bytes.
_LATEST_KEPT = 64
_LATEST_SIZE = 16 * 1024

# A batch of more objects and more payload bytes than this goes into a pack before its operation.
# Frames hold many objects, so the pack takes a third of the room of single records, and less time, which pays for two more syncs; and whoever opens the store has less journal to read.
_MOST_OBJECTS = 128
_MOST_BYTES = 64 * 1024
_BYTES_A_PACK = 8 * 1024


def create_database(path: str, operation: NewObject) -> None:
    """Create the folders and files for objects under *path*, with a journal that begins with the keyframe *operation*."""
    files.make_directory(path)
    files.make_directory(os.path.join(path, "pack"))
    create_journal(os.path.join(path, "journal"), (operation,))


class _Lock:
    """The lock of a database, for ``with``. A class, because every commit takes the lock and a generator would be slower."""

    __slots__ = ("_database", "_is_held")

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.acquire()
        self._is_held = True

    def __exit__(self, *_: object) -> None:
        # Ctrl-C may come at the beginning of this method; then ``__del__`` releases. No step is a method of its own, as Ctrl-C may come at its beginning too.
        self._is_held = False
        database = self._database
        try:
            database._held -= 1
            if not database._held:
                database._is_current = False
                try:
                    database._file_lock.release()
                except BaseException:
                    database._file_lock.release()  # Ctrl-C came inside the release; a second release does no harm
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
        """A batch of many objects goes into a pack of its own if their payloads have more bytes than this. A caller that lands many such batches raises it: a store of a thousand small packs is slow to search."""

        self._sync = durability == "full"
        self._gc_lock_path = os.path.join(locks, "gc")
        self.before_clearing: Callable[[], None] | None = None
        super().__init__(path, lock_path, read_only=read_only)

    @property
    def durability(self) -> Durability:
        """What a write survives: a power cut (``full``), or only the death of the process (``process``)."""
        return "full" if self._sync else "process"

    def write_many(self, objects: Sequence[NewObject]) -> tuple[ObjectId, ...]:
        self._check_open()
        with self.lock():
            for new in objects:
                # Written even if a pack has the object: that copy may be garbage which gc is about to drop.
                self._loose.write(new)
        return tuple(new.id for new in objects)

    def lock(self) -> AbstractContextManager[None]:
        return _Lock(self)

    def _check_writable(self) -> None:
        """Raise ReadOnlyError if the store was opened read-only, before anything is locked or written."""
        if self.read_only:
            raise ReadOnlyError(os.path.dirname(self.path))

    def acquire(self) -> None:
        """Become the only writer, after reading what others appended; a ``with`` on ``lock()`` also releases."""
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
                self._file_lock.release()  # also if Ctrl-C came just after the lock was taken
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
            # No operation names the objects that were written, even if some of them can be seen.
            raise DurabilityError(str(exc), visible=False) from exc
        self._journal.append(kept, sync=self._sync, keyframe=keyframe, is_first=not self._packs)
        self._write_mark()
        self._remember(objects)

    def _write_mark(self) -> None:
        """Write beside the journal how far it goes now; without it the mark is only behind."""
        try:  # noqa: SIM105  # every commit comes by
            self._file_lock.write(self._journal.packed_mark())
        except OSError:
            pass

    def _remember(self, objects: Sequence[NewObject]) -> None:
        """Keep the last written blobs in memory: a message that was committed is mostly counted or compiled next."""
        latest = self._latest
        for id, kind, payload in objects[-_LATEST_KEPT:]:
            if kind == "blob" and len(payload) <= _LATEST_SIZE:
                latest[id] = Object(kind, payload)
        while len(latest) > _LATEST_KEPT:
            del latest[next(iter(latest))]

    def _write_ahead(self, objects: Sequence[NewObject], operation: NewObject) -> list[NewObject]:
        """Write the objects that do not belong in the journal; return those that do."""
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
        """Sync the folders of the journal and the packs: the process that made those files may have died before it synced their names."""
        if not self._names_synced:
            store = os.path.dirname(self.path)
            for folder in (os.path.realpath(os.path.dirname(store)), self.path, self._pack_path):
                files.sync_directory(folder)
            self._names_synced = True

    def _append_ahead(self, objects: list[NewObject]) -> list[NewObject]:
        """Write the first objects of a batch that is too large for one transaction as packs; return the objects left for the transaction.

        No operation names these objects before the last write, so a crash in between leaves only garbage.
        """
        objects = list({new[0]: new for new in objects}.values())
        # The more packs there are, the larger the next one must be: 500 packs took 54 ms to open, and half of a commit went into asking them for its blob.
        least = min(max(self.packed_from, _BYTES_A_PACK * len(self._packs)), JOURNAL_LIMIT)
        if sum([len(payload) for _, _, payload in objects]) <= least:
            return objects
        self._write_pack(objects[:-1], quick=True)
        self._open_packs()
        return objects[-1:]

    def is_full(self) -> bool:
        return self._journal.size > JOURNAL_LIMIT

    def seal(self, keyframe: NewObject, chunks: Sequence[NewObject] = ()) -> None:
        """Write the journal's objects into a pack and begin a new journal.

        The pack and its index are on the disk before the old journal is replaced; a crash in between leaves both, which is harmless.
        """
        self._write_pack(list(self._journal.objects()))
        self.begin_journal((*chunks, keyframe))

    def begin_journal(self, objects: Sequence[NewObject], *, zeros: bool = True) -> None:
        """Replace the journal by a new one with *objects*; the last of them is a keyframe."""
        create_journal(self._journal_path, objects, zeros=zeros)
        self._look()

    def _write_pack(self, objects: Sequence[NewObject], *, quick: bool = False) -> None:
        """Write *objects* into a pack, grouped by kind, each kind in the given order: similar objects compress best side by side. A *quick* pack is larger."""
        from tract.storage.pack_writer import QUICK_LEVEL, SEAL_LEVEL, Group, write_pack  # once in many commands

        by_kind: dict[Kind, list[NewObject]] = {kind: [] for kind in KINDS}
        for new in objects:
            by_kind[new.kind].append(new)
        groups = [Group(kind, [new.id for new in found]) for kind, found in by_kind.items() if found]
        payloads = [new.payload for found in by_kind.values() for new in found]
        write_pack(self._pack_path, groups, payloads, level=QUICK_LEVEL if quick else SEAL_LEVEL, folds=not quick)

    # For gc, which holds ``maintenance`` for all of these, and the lock for those that remove or replace.

    @contextmanager
    def maintenance(self, *, looks: bool = False) -> Iterator[None]:
        """Hold the lock that only one gc can have; GCError if another process holds it. With *looks*, a read-only store takes no lock."""
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
        """Record the time of this gc: ``count_new_packs`` and ``count_new_loose`` count only newer files."""
        os.utime(self._gc_lock_path)

    def count_new_packs(self) -> int:
        """The number of packs written since the last gc."""
        since = os.stat(self._gc_lock_path).st_mtime_ns
        names = [name for name in files.list_directory(self._pack_path) if name.endswith(".idx")]
        return sum(files.time_of(os.path.join(self._pack_path, name)) > since for name in names)

    def count_new_loose(self, limit: int) -> int:
        """The number of loose objects written since the last gc; 0 if there are fewer than *limit* loose objects of any age."""
        ids = list(self._loose.names())
        if len(ids) < limit:
            return 0
        since = os.stat(self._gc_lock_path).st_mtime_ns
        return sum(files.time_of(self._loose.path_of(id)) > since for id in ids)

    def packs(self) -> dict[str, int]:
        """All packs, by the name of their index, with the time when they were written, in nanoseconds since 1970."""
        self._open_packs()
        return {name: files.time_of(pack.index_path) for name, pack in self._packs.items()}

    def pack(self, name: str) -> Pack:
        """One of ``packs``; ``read_packed`` uses less memory for reading many payloads."""
        return self._packs[name]

    def read_packed(self, name: str, ordinal: int) -> Object:
        """Return an object of one pack, by its ordinal."""
        if name != self._recent:
            self._go_to(name)
        return self._packs[name].object_at(ordinal)

    def folded(self, name: str, ordinal: int) -> bytes | None:
        """Return an object of one pack in its folded form, by its ordinal; None if no ids were taken out of it."""
        if name != self._recent:
            self._go_to(name)
        return self._packs[name].folded_at(ordinal)

    def release(self) -> None:
        """Free the memory that holds what was read from packs."""
        for pack in self._packs.values():
            pack.release()

    def loose_objects(self) -> dict[ObjectId, int]:
        """The loose objects, with the time when they were written, in nanoseconds since 1970."""
        return {id: files.time_of(self._loose.path_of(id)) for id in self._loose.names()}

    def loose_kind(self, id: ObjectId) -> Kind:
        """The kind of a loose object; a damaged one counts as a blob, since nothing needs it."""
        try:
            obj = self._loose.read(id)
        except ObjectCorruptError:
            obj = None
        return "blob" if obj is None else obj.kind

    def is_large(self, id: ObjectId) -> bool:
        """True if a loose object is too large to be worth copying into a pack."""
        return os.stat(self._loose.path_of(id)).st_size > LOOSE_LIMIT // 4

    def journal_objects(self) -> Iterator[tuple[ObjectId, Kind]]:
        """Every object of the journal, with its kind."""
        return self._journal_ids()

    def has_new_objects(self) -> bool:
        """True if the journal has any object that is not an operation."""
        return any(kind != "operation" for _, kind in self._journal_ids())

    def write_pack(
        self,
        packing: Packing,
        *,
        level: int,
        dictionary: bytes = b"",
        written: int | None = None,
    ) -> str:
        """Write a pack, read all of it back, and open it; return the name of its index.

        GCError if an object read back does not hash to its id, and the pack is removed: a disk may lie, and a compressor may be wrong.
        *written* sets the pack's time, in nanoseconds since 1970: copying does not make old objects young.
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
            if name not in self._packs:  # a pack with the same bytes may have been there before, as the only copy
                self._unlink_packs([name])
            raise
        self._open_packs()
        return name

    def make_room(self) -> None:
        """Free disk space that holds nothing of value: half-written files, and the zeros at the journal's end. Only for the holder of the lock and of ``maintenance``."""
        self.remove_leftovers()
        self._journal.trim()

    def use_room(self) -> None:
        """Write zeros ahead in the journal again. Only for the holder of the lock."""
        self._journal.extend()

    def rotate(self, objects: Sequence[NewObject], keyframe: NewObject) -> None:
        """Write the journal's objects, except its operations, into a pack, and begin a new journal with *objects* and *keyframe*.

        Every other handle sees the new journal before it appends, and lists the packs again.
        """
        kept = [new for new in self._journal.objects() if new.kind != "operation"]
        if kept:
            self._write_pack(kept)
        self.begin_journal((*objects, keyframe))

    def drop_packs(self, names: Iterable[str]) -> None:
        """Remove packs whose objects are in other packs, or no longer needed."""
        gone = list(names)
        for name in gone:
            self._close_pack(name)
        self._unlink_packs(gone)

    def _unlink_packs(self, names: Sequence[str]) -> None:
        """Remove packs, indexes first: an index makes a pack visible, and an index without its pack looks like damage."""
        for name in names:
            files.unlink(os.path.join(self._pack_path, name))
        if names:
            files.sync_directory(self._pack_path)
        for name in names:
            files.unlink(os.path.join(self._pack_path, name.removesuffix(".idx") + ".pack"))

    def drop_loose(self, written: Mapping[ObjectId, int]) -> None:
        """Remove loose objects, except those written again after the time given for each."""
        for id, moment in written.items():
            path = self._loose.path_of(id)
            if files.time_of(path) == moment:
                files.unlink(path)

    def remove_leftovers(self) -> None:
        """Remove what killed processes left behind: half-written files and imports, and packs that never got an index."""
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
    """Read all of a pack; GCError if an object does not hash to its id."""
    pack = Pack(path)
    try:
        for number, new in enumerate(pack.objects()):
            if object_id(new.kind, new.payload) != new.id:
                raise GCError(f"object {new.id.hex()} does not hash to its id")
            if not number % _READS_BEFORE_RELEASE:
                pack.release()
    finally:
        pack.close()
