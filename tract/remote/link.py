"""A link: an open remote as one store sees it, with what that store remembers of it.

    cache/remote-<name>-<hash>     a head as it was when it was last seen, with its version: a push then asks nothing first
    cache/remote-pack-<digits>     the ids in a pack, in order, so that a push knows what need not be sent

Both are derived: anything not remembered is requested.
"""

from __future__ import annotations

import os
import random
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from blake3 import blake3

from tract.config.remote_config import RemoteConfig
from tract.errors import ContentValidationError, ObjectCorruptError, RemoteAuthError, RemoteError, StorageError
from tract.events import began, emit
from tract.named_tuple import NamedTuple
from tract.objects.codec import decode, encode
from tract.objects.id import ID_SIZE, ObjectId
from tract.objects.ids import Ids
from tract.objects.model import RefValue
from tract.remote.address import head_key, parse_address, scans
from tract.remote.head import Head, PackName, decode_head
from tract.remote.heads import Heads, heads_of
from tract.remote.notes import NotedBlobs
from tract.remote.packs import PackIndex, decode_index
from tract.remote.traffic import Counted, Traffic
from tract.remote.transport import UNCHANGED, FileTransport, Stored, Transport, Unchanged, memory_transport
from tract.repo import Repository
from tract.storage import files
from tract.tree import Context

GRACE = 7 * 24 * 3600.0
"""For this many seconds no collector removes a pack that no head names: its push may be under way."""

_T = TypeVar("_T")
_TRIES = 6
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_BETWEEN_SAVES = 2.0

# The content of packs with up to this many objects is looked up in a set, in a hundredth of the time of a search.
_SMALL = 4096


class KnownHead(NamedTuple):
    """A head, and its version on the remote."""

    head: Head
    version: str


def nobody(done: int, total: int) -> None:
    """A progress callback that does nothing."""


def open_transport(remote: RemoteConfig) -> Transport:
    """Open the transport to *remote*; RemoteError if what it needs is not installed."""
    address = parse_address(remote.url)
    if address.scheme == "file":
        return FileTransport(address.place)
    if address.scheme == "memory":
        return memory_transport(f"{address.place}/{address.path}")
    from tract.remote.buckets import open_bucket  # obstore is loaded for who has a bucket

    return open_bucket(address, remote.options, timeout=remote.timeout, conditions=remote.conditions)


class Link:
    """An open remote."""

    def __init__(
        self, repo: Repository, remote: RemoteConfig, transport: Transport | None = None, *, grace: float = GRACE
    ) -> None:
        self.repo = repo
        self.remote = remote
        self.plain = transport or open_transport(remote)
        self.grace = grace
        self.scans = scans(remote)
        self.told: Callable[[int, int], None] = nobody
        """Called with the number of objects sent and the total."""

        self.name = remote.name
        self.traffic = Traffic()
        self.transport: Transport = Counted(self.plain, self.traffic)
        self.heads: Heads = heads_of(self.transport, remote.conditions)
        self._folder = None if repo.path is None or repo.read_only else os.path.join(repo.path, "cache")
        self._known: dict[str, KnownHead] = {}
        self._memory = repo.remembered
        self._packs: dict[str, Ids] = {}
        self._sets: dict[str, frozenset[ObjectId]] = {}
        self.noted = NotedBlobs()
        self.joined: dict[str, set[Context]] = {}
        """The lists of notes that are completely here, by tract."""

        self.is_lasting = False
        """True if the link stays open for many pushes, and writes what it remembers now and then instead of each time."""

        self.listed: dict[str, str] = {}
        """The versions of heads from a recent listing, by key: a head with its remembered version is not requested."""

        self._unsaved: dict[str, bytes] = {}
        self._saved = time.monotonic()

    def count_with(self, traffic: Traffic) -> None:
        """Count requests together with those of another link."""
        self.traffic = traffic
        self.transport = Counted(self.plain, traffic)
        self.heads = heads_of(self.transport, self.remote.conditions)

    # Asking again

    def patiently(self, ask: Callable[[], _T]) -> _T:
        """Return the result of *ask*, repeated a few times within the remote's timeout if the remote fails; only for requests that may be repeated."""
        deadline = time.monotonic() + self.remote.timeout
        for number in range(_TRIES):
            try:
                return ask()
            except (RemoteAuthError, MissingPackError):
                raise
            except RemoteError:
                if number + 1 == _TRIES or time.monotonic() > deadline:
                    raise
                self.pause(number)
        raise AssertionError

    def pause(self, number: int) -> None:
        """Wait before the try after try *number*: longer each time, and by chance not as long as others."""
        since = began()
        time.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**number) * random.uniform(0.2, 1.0))
        emit("retry", None, since, of="remote", remote=self.remote.name)

    # Heads

    def remembered(self, tract: str, branch: str | None) -> KnownHead | None:
        """A head as this store last saw it; None if it never did."""
        return self.remembered_at(head_key(tract, branch))

    def remembered_at(self, key: str) -> KnownHead | None:
        """The head under *key* as this store last saw it; None if it never did."""
        found = self._known.get(key)
        if found is None:
            data = self.recall(self._name_of(key))
            if data is not None:
                with suppress(ValueError, TypeError, ContentValidationError, ObjectCorruptError):
                    version, raw = decode(data)
                    found = self._known[key] = KnownHead(decode_head(raw, key), version)
        return found

    def seen(self, tract: str, branch: str, commit: RefValue) -> KnownHead | None:
        """A branch's head that is as new as its tracking ref, which is at *commit*; it is requested if another link of this store has seen a newer one."""
        known = self.remembered(tract, branch)
        return known if known is not None and known.head.commit == commit else self.look(tract, branch)

    def look(self, tract: str, branch: str | None) -> KnownHead | None:
        """A head as it is now, in one request; None if there is none."""
        return self.look_at(head_key(tract, branch))

    def look_at(self, key: str) -> KnownHead | None:
        """The head under *key* as it is now; without a request if a listing has its version."""
        known = self.remembered_at(key)
        if known is not None and self.listed.get(key) == known.version.strip('"'):
            return known
        found = self.patiently(lambda: self._read(key, None if known is None else known.version))
        if found is UNCHANGED:
            return known
        if found is None and known is not None:
            raise self.gone(key)
        return self.take(key, found) if isinstance(found, Stored) else None

    def gone(self, key: str) -> RemoteError:
        """The error for a head that has disappeared: heads are never removed, so the place was emptied, or another remote is there now."""
        return RemoteError(
            f"remote '{self.name}': '{key}', which existed when it was last read, is gone: the remote was emptied or replaced"
        )

    def _read(self, key: str, unless: str | None) -> Stored | Unchanged | None:
        """Read the head under *key*; RemoteError if it is damaged, which may be so only on the way here."""
        found = self.heads.read(key, unless=unless)
        if isinstance(found, Stored):
            try:
                decode_head(found.data, key)
            except ObjectCorruptError as exc:
                raise RemoteError(f"remote '{self.name}': {exc}") from exc
        return found

    def take(self, key: str, found: Stored) -> KnownHead:
        """Return and remember the head found under *key*; RemoteError if it is not a head, or belongs to another key."""
        try:
            head = decode_head(found.data, key)
        except ObjectCorruptError as exc:
            raise RemoteError(f"remote '{self.name}': {exc}") from exc
        if head_key(head.tract, head.branch) != key:
            raise RemoteError(f"remote '{self.name}': '{key}' is the head of another branch")
        return self.remember(key, head, found.data, found.version)

    def remember(self, key: str, head: Head, data: bytes, version: str) -> KnownHead:
        """Remember the present head, and forget the content of packs that it no longer names."""
        before = self.remembered_at(key)
        known = self._known[key] = KnownHead(head, version)
        named = {pack.key for pack in head.packs}
        for pack in () if before is None else before.head.packs:
            if pack.key not in named:
                self.forget_pack(pack.key)
        self.keep(self._name_of(key), encode([version, data]))
        return known

    def _name_of(self, key: str) -> str:
        return f"remote-{self.name}-{blake3(f'{self.remote.url} {key}'.encode()).hexdigest()[:32]}"

    # Packs

    def has(self, packs: Sequence[PackName]) -> Callable[[ObjectId], bool]:
        """A function that tells whether an object is in one of *packs*."""
        tables = [self.ids(pack) for pack in packs]
        small = [self._set(pack.key, ids) for pack, ids in zip(packs, tables, strict=True) if len(ids) <= _SMALL]
        large = [ids for ids in tables if len(ids) > _SMALL]

        def contains(id: ObjectId) -> bool:
            for ids in small:
                if id in ids:
                    return True
            for table in large:
                at = bisect_left(table, id)
                if at < len(table) and table[at] == id:
                    return True
            return False

        return contains

    def _set(self, key: str, ids: Ids) -> frozenset[ObjectId]:
        found = self._sets.get(key)
        if found is None:
            found = self._sets[key] = frozenset(ids)
        return found

    def ids(self, pack: PackName) -> Ids:
        """The ids in a pack, in order; one request if this store does not remember them."""
        found = self._packs.get(pack.key)
        if found is None:
            data = self.recall(_pack_name(pack.key))
            if data is None or len(data) != pack.objects * ID_SIZE:
                data = self.index(pack).sorted_ids()
                self.keep(_pack_name(pack.key), data)
            found = self._packs[pack.key] = Ids(data)
        return found

    def knows(self, pack: PackName) -> bool:
        """True if this store remembers the content of a pack, because it sent the pack or has had all of it."""
        return pack.key in self._packs or self.recall(_pack_name(pack.key)) is not None

    def remember_pack(self, key: str, ids: Sequence[ObjectId]) -> None:
        """Remember the content of a pack."""
        data = b"".join(sorted(ids))
        self._packs[key] = Ids(data)
        self.keep(_pack_name(key), data)

    def forget_pack(self, key: str) -> None:
        """Forget the content of a pack that is gone."""
        self._packs.pop(key, None)
        self._sets.pop(key, None)
        self._memory.pop(_pack_name(key), None)
        if self._unsaved.pop(_pack_name(key), None) is not None:
            return  # no file has it
        if self._folder is not None:
            with suppress(OSError):
                files.unlink(os.path.join(self._folder, _pack_name(key)))

    def is_there(self, pack: PackName) -> bool:
        """True if a pack can be read."""
        return self.patiently(lambda: self.transport.get_range(pack.key, 0, 1)) is not None

    def index(self, pack: PackName) -> PackIndex:
        """The index of a pack, in one request; RemoteError if it is damaged."""

        def ask() -> PackIndex:
            tail = self.transport.get_range(pack.key, pack.index_at, pack.size - pack.index_at)
            if tail is None:
                raise MissingPackError(self.name, pack.key)
            try:
                index = decode_index(tail, pack.index_at, pack.key)
            except ObjectCorruptError as exc:
                raise RemoteError(f"remote '{self.name}': {exc}") from exc
            if len(index) != pack.objects:
                raise RemoteError(
                    f"remote '{self.name}': pack '{pack.key}' has another number of objects than its head says"
                )
            return index

        return self.patiently(ask)

    # What is remembered lies in the store's cache, or in memory where the store does

    def recall(self, name: str) -> bytes | None:
        """The data kept as *name*; None if it is gone."""
        if name in self._unsaved:
            return self._unsaved[name]
        if self._folder is None:
            return self._memory.get(name)
        try:
            return files.read_file(os.path.join(self._folder, name))
        except (OSError, StorageError):
            return None

    def keep(self, name: str, data: bytes) -> None:
        """Keep *data* as *name*, until the cache is cleared."""
        if self._folder is None:
            self._memory[name] = data
            return
        if self.is_lasting:
            self._unsaved[name] = data
            if time.monotonic() - self._saved > _BETWEEN_SAVES:
                self.save()
            return
        self._write(name, data)

    def save(self) -> None:
        """Write what was kept and is not written yet."""
        unsaved, self._unsaved = self._unsaved, {}
        self._saved = time.monotonic()
        for name, data in unsaved.items():
            self._write(name, data)

    def _write(self, name: str, data: bytes) -> None:
        assert self._folder is not None
        with suppress(OSError, StorageError):  # a cache can be lost
            files.write_file(os.path.join(self._folder, name), data, sync=False)


def _pack_name(key: str) -> str:
    return f"remote-pack-{key.rpartition('/')[2]}"


class MissingPackError(RemoteError):
    """A pack that a head names is missing: the head was read before a compaction, or the remote is damaged."""

    def __init__(self, name: str, key: str) -> None:
        self.key = key
        super().__init__(f"remote '{name}' is damaged: pack '{key}' is missing")
