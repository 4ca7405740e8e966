"""The object store on disk, for readers: journal, packs and loose objects behind one interface.

A read searches the journal, then the packs, then the loose objects. If it finds nothing, it looks once for what other processes wrote, and only then says "not found".
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from heapq import nlargest

from tract.annotations import TypeVar
from tract.errors import BlobNotFoundError, ClosedError, DamageWarning, ObjectCorruptError
from tract.objects.id import Kind, ObjectId
from tract.objects.model import Node, Object, Outline
from tract.objects.strict_reader import read_node
from tract.storage import files
from tract.storage.journal import Journal
from tract.storage.journal_format import read_mark
from tract.storage.loose import LooseObjects
from tract.storage.pack import Pack
from tract.storage.payloads import Chunks, Payloads, Piece, chunks_of, join_chunks
from tract.storage.store import StoreStats, payload_of

EVIDENCE = "journal.torn-"
"""The beginning of the names of files with the bytes that a writer cleared from a damaged journal."""

# The number of packs that keep their last unpacked frames, 2 MB each.
_WARM_PACKS = 4

# A new object is searched for in this many packs, the largest: a second copy costs its bytes until the next gc, and searching hundreds of packs costs more than a commit.
_MOST_ASKED = 4

_MOST_TRIES = 5

_T = TypeVar("_T")


class ObjectReader:
    """An open object store under ``objects/``, as far as it is read; ``Database`` writes."""

    def __init__(self, path: str, mark_path: str, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._journal_path = os.path.join(path, "journal")
        self._mark_path = mark_path
        self._pack_path = os.path.join(path, "pack")
        self._closed = False
        self._is_current = False  # true if the lock is held and earlier appends by others were read
        self._loose = LooseObjects(path)
        self._packs: dict[str, Pack] = {}
        self._asked: list[Pack] = []
        self._latest: dict[ObjectId, Object] = {}  # blobs that were just written
        self.supposed: dict[ObjectId, Object] = {}
        """Objects that are read as if they were in the store; writes still write them. ``contains`` finds them only while *is_supposing*."""

        self.is_supposing = False

        self._recent = ""
        self._warm: list[str] = []
        self._names_synced = False
        self.after_replacing: Callable[[], None] | None = None
        self._journal = self._open_journal()
        try:
            self._warn_of_damage(set_aside=True)
            self._open_packs()
        except BaseException:
            self.close()
            raise

    @property
    def is_torn(self) -> bool:
        """True if the journal ends in an incomplete write, or lacks zeros that were written ahead, because it was cut."""
        return self._journal.torn or self._journal.is_cut

    def _open_journal(self) -> Journal:
        """Open the journal; ObjectCorruptError if transactions are missing that were on the disk."""
        try:
            mark = read_mark(self._mark_path)  # read before the journal, which may grow meanwhile
        except ValueError:
            mark = None  # another process may be writing it; fsck reads it with the lock
        try:
            journal = Journal(self._journal_path, read_only=self.read_only)
        except FileNotFoundError:
            raise ObjectCorruptError(self._journal_path, "the journal is missing") from None
        self._missing, durable = (0, 0) if mark is None else journal.missing(mark)
        if durable:
            detail = f"its last {_number(durable, 'transaction')} cannot be read; nothing was changed"
            journal.close()
            raise ObjectCorruptError(self._journal_path, detail, journal.size)
        return journal

    def _warn_of_damage(self, *, set_aside: bool) -> None:
        """Warn of losses that raise no error: commits that were acknowledged and never synced, and bytes that an earlier writer set aside.

        The second warning comes only when the store is opened: Python may turn a warning into an error, and a commit that is done must not end in one.
        """
        told = []
        if self._journal.behind:
            whole = _number(self._journal.behind, "whole transaction")
            told.append(f"{whole} behind damaged bytes at offset {self._journal.size} are not read")
        elif self._missing:
            told.append(
                f"its last {_number(self._missing, 'transaction')} at offset {self._journal.size} cannot be read"
            )
        kept = sum(name.startswith(EVIDENCE) for name in os.listdir(self.path)) if set_aside else 0
        if kept:
            told.append(f"damaged bytes were set aside in {_number(kept, 'file')} '{EVIDENCE}*' beside it")
        if told:
            text = f"'{self._journal_path}' is damaged: {'; '.join(told)}; commits may be missing"
            warnings.warn(text, DamageWarning, stacklevel=2)

    def _open_packs(self) -> bool:
        """Open new packs and close those that are gone; return whether there were new ones."""
        opened = False
        listed: set[str] | None = None
        missed = True
        while missed:
            names = {name for name in files.list_directory(self._pack_path) if name.endswith(".idx")}
            if names == listed:
                break  # an index that cannot be opened has lost its pack
            listed, missed = names, False
            for name in self._packs.keys() - names:
                self._close_pack(name)
            for name in sorted(names - self._packs.keys()):
                try:
                    self._packs[name] = Pack(os.path.join(self._pack_path, name.removesuffix(".idx") + ".pack"))
                    opened = True
                    self._names_synced = False
                except FileNotFoundError:
                    missed = True  # gc removed it meanwhile; its objects are in a pack that is listed now
        if opened:
            self._asked = nlargest(_MOST_ASKED, self._packs.values(), key=lambda pack: pack.count)
        return opened

    def _close_pack(self, name: str) -> None:
        pack = self._packs.pop(name, None)
        if pack is not None:
            self._asked = [one for one in self._asked if one is not pack]
            pack.close()

    def read(self, id: ObjectId) -> Object:
        try:
            obj = self._read_known(id)
            if obj is None:
                self.refresh()
                self._open_packs()
                obj = self._read_known(id)
        except FileNotFoundError:
            obj = self._despite_gc(lambda: self._read_known(id))
        except OSError as exc:
            raise files.as_storage_error(exc) from exc
        if obj is None:
            raise BlobNotFoundError(id.hex())
        return obj

    def _despite_gc(self, look: Callable[[], _T]) -> _T:
        """Return the result of *look*, and try again if gc removed a pack in between: its objects are in another one."""
        for left in reversed(range(_MOST_TRIES)):
            try:
                self.refresh()
                self._open_packs()
                return look()
            except FileNotFoundError as exc:
                if not left:
                    raise files.as_storage_error(exc) from exc
            except OSError as exc:
                raise files.as_storage_error(exc) from exc
        raise AssertionError

    def _read_known(self, id: ObjectId) -> Object | None:
        self._check_open()
        obj = self._latest.get(id) or self._journal.read(id) or self.supposed.get(id)
        if obj is not None:
            return obj
        # Objects that are read together mostly lie together.
        recent = self._packs.get(self._recent)
        obj = recent.read(id) if recent is not None else None
        if obj is not None:
            return obj
        for name, pack in list(self._packs.items()):
            obj = pack.read(id)
            if obj is not None:
                self._go_to(name)
                return obj
        return self._loose.read(id)

    def _go_to(self, name: str) -> None:
        """Make *name* the pack that is searched first; only the last few such packs keep what they unpacked."""
        self._recent = name
        self._warm = [*(warm for warm in self._warm if warm != name), name]
        for cold in self._warm[:-_WARM_PACKS]:
            if cold in self._packs:
                self._packs[cold].forget()
        self._warm = self._warm[-_WARM_PACKS:]

    def payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        return self._read_together(
            ids,
            lambda pack, at: pack.payloads(ids, at, kind),
            lambda id: payload_of(id, self.read(id), kind),
        )

    def nodes(self, ids: Sequence[ObjectId]) -> list[Node]:
        return self._read_together(ids, lambda pack, at: pack.nodes(ids, at), lambda id: read_node(id, self.read(id)))

    def _read_together(
        self, ids: Sequence[ObjectId], take: Callable[[Pack, int], list[_T]], read: Callable[[ObjectId], _T]
    ) -> list[_T]:
        """Collect the results for *ids*: *take* returns those that lie together in a pack, from a position on, and *read* returns a single one."""
        self._check_open()
        result: list[_T] = []
        while len(result) < len(ids):
            recent = self._packs.get(self._recent)
            id = ids[len(result)]
            try:
                found = [] if recent is None or id in self._journal.index else take(recent, len(result))
            except FileNotFoundError:
                found = []  # gc removed the pack
            except OSError as exc:
                raise files.as_storage_error(exc) from exc
            result += found or [read(id)]
        return result

    def chunks(self, ids: Sequence[ObjectId]) -> Chunks:
        self._check_open()
        parts: list[Chunks] = []
        at = 0
        while at < len(ids):
            recent = self._packs.get(self._recent)
            try:
                found = None if recent is None or ids[at] in self._journal.index else recent.chunks(ids, at)
            except FileNotFoundError:
                found = None
            except OSError as exc:
                raise files.as_storage_error(exc) from exc
            parts.append(found or chunks_of([ids[at]], [read_node(ids[at], self.read(ids[at]))]))
            at += len(parts[-1].sizes)
        return join_chunks(parts)

    def blobs(self, ids: Sequence[ObjectId]) -> Payloads:
        self._check_open()
        pieces: list[Piece] = []
        single: list[bytes] = []
        at, end = 0, len(ids)
        while at < end:
            id = ids[at]
            recent = self._packs.get(self._recent)
            if recent is None or id in self._journal.index:
                single.append(payload_of(id, self.read(id), "blob"))
                at += 1
                continue
            run = None
            found: list[bytes] = []
            try:
                run = recent.run(ids, at)
                found = [] if run is not None else recent.payloads(ids, at, "blob")
            except FileNotFoundError:
                found = []
            except OSError as exc:
                raise files.as_storage_error(exc) from exc
            if run is not None:
                pieces += [single, run]
                single = []
                at += run.number
            else:
                found = found or [payload_of(id, self.read(id), "blob")]
                single += found
                at += len(found)
        return Payloads([*pieces, single])

    def outlines_beside(self, id: ObjectId) -> dict[ObjectId, Outline]:
        self._check_open()
        recent = self._packs.get(self._recent)
        if recent is None or id in self._journal.index:
            return {}
        try:
            return recent.outlines_beside(id)
        except (OSError, ObjectCorruptError):
            return {}  # the normal read raises the error

    def holding(self, test: Callable[[bytes], object]) -> set[ObjectId]:
        self._check_open()
        found = self._despite_gc(lambda: {id for pack in self._packs.values() for id in pack.holding(test)})
        return found.union(id for id in [*self._journal.index, *self._loose.find("")] if self._may_hold(id, test))

    def _may_hold(self, id: ObjectId, test: Callable[[bytes], object]) -> bool:
        try:
            obj = self.read(id)
        except (BlobNotFoundError, ObjectCorruptError):
            return True  # the normal read raises the error
        return obj.kind == "blob" and bool(test(obj.payload))

    def contains(self, id: ObjectId) -> bool:
        self._check_open()
        with suppress(FileNotFoundError):  # gc removed a pack
            if self._has(id) or (self.is_supposing and id in self.supposed):
                return True
        return self._despite_gc(lambda: self._has(id))

    def was_seen(self, id: ObjectId) -> bool:
        """True if the object was there when this process last looked: for bulk work, in which a miss must cost little."""
        return self._has(id)

    def _has(self, id: ObjectId) -> bool:
        return self._is_kept(id) or self._loose.contains(id)

    def _is_kept(self, id: ObjectId) -> bool:
        return id in self._journal.index or any(pack.contains(id) for pack in self._packs.values())

    def _is_known(self, id: ObjectId) -> bool:
        """True if the journal or one of the largest packs has the object, which is about to be written."""
        if id in self._journal.index:
            return True
        try:
            return bool(self._asked) and any(pack.contains(id) for pack in self._asked)
        except FileNotFoundError:  # gc removed a pack; to write the object again does no harm
            return False

    def find(self, prefix: str) -> tuple[ObjectId, ...]:
        self._check_open()
        packed = self._despite_gc(lambda: [id for pack in self._packs.values() for id in pack.find(prefix)])
        found = {id for id in self._journal.index if id.hex().startswith(prefix)}.union(
            packed, self._loose.find(prefix)
        )
        return tuple(sorted(found))

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        self._check_open()
        kinds = self._despite_gc(lambda: {id: kind for pack in self._packs.values() for id, kind in pack.ids()})
        kinds.update(self._journal_ids())
        kinds.update(self._loose.ids())
        # Collected before the first is returned, because gc can remove a pack while the caller handles one.
        yield from kinds.items()

    def _journal_ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        # Collected first, because a seal can replace this journal before the caller asks for the next id.
        yield from [(id, self._journal.kind(id)) for id in self._journal.index]

    def refresh(self) -> bool:
        self._check_open()
        # No one else appends while this process holds the lock, and earlier appends were read when it was taken.
        return False if self._is_current else self._look()

    def _look(self) -> bool:
        changed = self._journal.scan()
        if changed and self._journal.behind:
            self._warn_of_damage(set_aside=False)
        if self._journal.is_replaced():
            replaced, self._journal = self._journal, self._open_journal()
            replaced.close()
            self._latest.clear()  # objects that gc dropped are dropped here too
            self._names_synced = False
            self._open_packs()
            if self.after_replacing is not None:
                self.after_replacing()
            changed = True
        return changed

    def operations(self) -> list[ObjectId]:
        return self._journal.operations

    def stats(self) -> StoreStats:
        self.refresh()
        packs = self._packs.values()
        loose_objects, loose_size = self._loose.size()
        return StoreStats(
            journal_objects=len(self._journal.index),
            journal_size=self._journal.size,
            packed_objects=sum(pack.count for pack in packs),
            packs=len(packs),
            pack_size=sum(pack.size for pack in packs),
            loose_objects=loose_objects,
            loose_size=loose_size,
        )

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._journal.close()
        for pack in self._packs.values():
            pack.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the store is closed")


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
