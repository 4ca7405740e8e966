"""What a remote must be able to do: a few operations on keys, each with one request.

    get   list   put (under a name that nobody else has)   create (only if the key is missing)   swap (only if the version is that one)   delete

The answer ``None`` is about a key: it is missing, or not as expected.
Any other failure is a RemoteError; if a write was asked for and no answer came, ``landed`` is None.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from blake3 import blake3

from tract.errors import DurabilityError, RemoteError, StorageError
from tract.named_tuple import NamedTuple
from tract.storage import files
from tract.storage.locks import FileLock

_SHARDS = 256


class Stored(NamedTuple):
    """The data under a key, and its version: an opaque text for ``swap``."""

    data: bytes
    version: str


class Listed(NamedTuple):
    """A key in a listing; *time* is in seconds since 1970, by the store's clock."""

    key: str
    size: int
    version: str
    time: float


class Unchanged:
    """The answer to a conditional ``get`` if nothing is new."""


UNCHANGED = Unchanged()


class Transport(Protocol):
    """The keys of a remote, without the path with which they all begin."""

    def get(self, key: str, *, unless: str | None = None) -> Stored | Unchanged | None:
        """Return what is under *key*; None if the key is missing, UNCHANGED if its version is *unless*."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Return *length* bytes of *key* from *start* on, fewer at the end; None if the key is missing."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Put *data* under *key*, a name that nobody else has; without a condition, so the request may be repeated."""
        ...

    def create(self, key: str, data: bytes) -> str | None:
        """Put *data* under *key* if the key is missing, and return its version; None if it exists."""
        ...

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        """Replace that *version* by *data*, and return the new one; None if another version is there, or none."""
        ...

    def list(self, prefix: str, after: str = "") -> Iterator[Listed]:
        """Yield all keys that begin with *prefix*, which ends in a slash, in order; with *after*, only keys behind it."""
        ...

    def delete(self, key: str) -> None:
        """Remove *key*, if it exists."""
        ...


class MemoryTransport:
    """Keys in memory, for tests; one store for each name in a process."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[bytes, str, float]] = {}
        self._lock = threading.Lock()
        self._versions = 0

    def get(self, key: str, *, unless: str | None = None) -> Stored | Unchanged | None:
        with self._lock:
            found = self._keys.get(key)
        if found is None:
            return None
        return UNCHANGED if found[1] == unless else Stored(found[0], found[1])

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        with self._lock:
            found = self._keys.get(key)
        return None if found is None else found[0][start : start + length]

    def put(self, key: str, data: bytes) -> None:
        with self._lock:
            self._put(key, data)

    def create(self, key: str, data: bytes) -> str | None:
        with self._lock:
            return None if key in self._keys else self._put(key, data)

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        with self._lock:
            found = self._keys.get(key)
            return None if found is None or found[1] != version else self._put(key, data)

    def _put(self, key: str, data: bytes) -> str:
        self._versions += 1
        version = str(self._versions)
        self._keys[key] = bytes(data), version, time.time()
        return version

    def list(self, prefix: str, after: str = "") -> Iterator[Listed]:
        with self._lock:
            found = [(key, value) for key, value in self._keys.items() if key.startswith(prefix) and key > after]
        return iter([Listed(key, len(data), version, when) for key, (data, version, when) in sorted(found)])

    def delete(self, key: str) -> None:
        with self._lock:
            self._keys.pop(key, None)


_memories: dict[str, MemoryTransport] = {}
_memories_lock = threading.Lock()


def memory_transport(name: str) -> MemoryTransport:
    """The store in memory with this name, the same for the whole process."""
    with _memories_lock:
        return _memories.setdefault(name, MemoryTransport())


class FileTransport:
    """Keys as files below a folder; each is on the disk, with its name, when the call returns.

    A key is swapped under a flock, on one of several permanent files; a key is never half-written.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def get(self, key: str, *, unless: str | None = None) -> Stored | Unchanged | None:
        data = self._read(key)
        if data is None:
            return None
        version = _version_of(data)
        return UNCHANGED if version == unless else Stored(data, version)

    def _read(self, key: str) -> bytes | None:
        try:
            return files.read_file(self._path(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise self._error(key, exc) from exc

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        try:
            fd = files.open_read(self._path(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise self._error(key, exc) from exc
        try:
            return files.read_at(fd, length, start)
        finally:
            files.close(fd)

    def put(self, key: str, data: bytes) -> None:
        try:
            self._make_folders(key)
            files.write_file(self._path(key), data, sync=True)
        except (OSError, DurabilityError, StorageError) as exc:
            raise self._error(key, exc, landed=None if isinstance(exc, DurabilityError) else False) from exc

    def create(self, key: str, data: bytes) -> str | None:
        try:
            self._make_folders(key)
            return _version_of(data) if files.create_file(self._path(key), data) else None
        except (OSError, DurabilityError) as exc:
            raise self._error(key, exc, landed=None if isinstance(exc, DurabilityError) else False) from exc

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        shard = blake3(key.encode()).digest()[0] % _SHARDS
        try:
            self._make_folders("locks/x")
            lock = FileLock(os.path.join(self._folder, "locks", f"{shard:02x}"))
            try:
                lock.acquire()
                found = self._read(key)
                if found is None or _version_of(found) != version:
                    return None
                files.write_file(self._path(key), data, sync=True)
            finally:
                lock.close()
        except DurabilityError as exc:
            raise self._error(key, exc, landed=None) from exc
        except (OSError, StorageError) as exc:
            raise self._error(key, exc) from exc
        return _version_of(data)

    def list(self, prefix: str, after: str = "") -> Iterator[Listed]:
        try:
            yield from self._list(prefix.rstrip("/"), after)
        except OSError as exc:
            raise self._error(prefix, exc) from exc

    def _list(self, folder: str, after: str) -> Iterator[Listed]:
        # A folder's name sorts with a slash at its end, as in a store without folders.
        place = os.path.join(self._folder, folder)
        names = [name for name in files.list_directory(place) if not name.startswith(".tmp-")]
        marked = [name + "/" if files.is_directory(os.path.join(place, name)) else name for name in names]
        for name in sorted(marked):
            key = f"{folder}/{name}"
            if name.endswith("/"):
                yield from self._list(key[:-1], after)
            elif key > after:
                with suppress(FileNotFoundError):
                    size, moment = files.size_and_time(os.path.join(self._folder, key))
                    yield Listed(key, size, "", moment / 1e9)

    def delete(self, key: str) -> None:
        try:
            files.unlink(self._path(key))
        except NotADirectoryError:
            return
        except OSError as exc:
            raise self._error(key, exc) from exc

    def _path(self, key: str) -> str:
        return os.path.join(self._folder, key)

    def _make_folders(self, key: str) -> None:
        if not files.exists(self._folder):
            files.make_directories(self._folder)
        folder = self._folder
        for part in key.split("/")[:-1]:
            above, folder = folder, os.path.join(folder, part)
            if not files.exists(folder) and files.make_directory(folder):
                files.sync_directory(above)

    def _error(self, key: str, exc: Exception, *, landed: bool | None = False) -> RemoteError:
        detail = exc.strerror if isinstance(exc, OSError) else str(exc)
        return RemoteError(f"'{os.path.join(self._folder, key)}': {detail}", landed=landed)


def _version_of(data: bytes) -> str:
    # Two heads never have the same bytes, so their hashes tell versions apart.
    return blake3(data).hexdigest()[:32]
