"""Locks between processes: a flock on a permanent file."""

from __future__ import annotations

import fcntl
import os
import time
from weakref import WeakSet

from tract.errors import LockTimeoutError
from tract.events import began, emit
from tract.storage import files


class FileLock:
    """An exclusive or shared flock on a permanent file; it dies with the process that holds it.

    A flock belongs to the open file, which a forked child shares: child and parent would hold it both at once, and it would outlive the parent.
    So a child lets go of its copy, and opens the file anew when it first wants the lock.
    """

    __slots__ = ("__weakref__", "_fd", "_waited", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._waited = (0.0, 0.0)
        self._fd = -1  # opened when it is first wanted: who only reads needs no right to write
        _locks.add(self)

    def acquire(self, *, shared: bool = False, timeout: float = 30.0) -> None:
        """Take the lock within *timeout* seconds, or raise LockTimeoutError."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        if self._fd < 0:
            self._fd = files.open_write(self.path)
        if self._is_free(kind):
            return
        since = began()
        deadline = time.monotonic() + timeout
        pause = 0.0002
        while True:
            time.sleep(pause)
            if self._is_free(kind):
                self._waited = since, time.perf_counter()
                return
            if time.monotonic() > deadline:
                raise LockTimeoutError(f"lock '{self.path}' was not free within {timeout:g} s")
            pause = min(pause * 1.5, 0.001)  # longer, and who comes later is served first

    def _is_free(self, kind: int) -> bool:
        """Take the lock if nobody holds it; whether it was taken."""
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as exc:
            exc.filename = self.path
            raise
        return True

    def write(self, data: bytes) -> None:
        """Put *data*, always of one length, at the beginning of the file. Only for the holder of the lock."""
        files.write_at(self._fd, data, 0)

    def release(self) -> None:
        """Let go of the lock, come what may: who cannot unlock the file closes it."""
        try:
            if self._fd >= 0:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        except OSError:
            self.close()
        if self._waited[0]:
            self._tell()

    def _tell(self) -> None:
        """Tell that the lock was waited for, now that it is not held any more."""
        (since, until), self._waited = self._waited, (0.0, 0.0)
        folder, name = os.path.split(self.path)
        emit("lock wait", os.path.dirname(folder), since, until=until, lock=name)

    def close(self) -> None:
        if self._fd >= 0:
            files.close(self._fd)
            self._fd = -1


def is_locked(path: str) -> bool:
    """Whether somebody holds an exclusive flock on the file *path*; FileNotFoundError where there is none. Needs no right to write."""
    fd = files.open_read(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        files.close(fd)
    return False


_locks: WeakSet[FileLock] = WeakSet()


def _let_go_in_child() -> None:
    for lock in list(_locks):
        lock.close()


os.register_at_fork(after_in_child=_let_go_in_child)
