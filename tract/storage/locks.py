"""Locks between processes (a flock on a permanent file) and between threads, and what happens to both in a forked child."""

from __future__ import annotations

import fcntl
import os
import time
from _thread import RLock  # threading's own, as in events
from _weakrefset import WeakSet  # weakref's own
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tract.errors import ClosedError, LockTimeoutError
from tract.events import began, emit
from tract.storage import files


class FileLock:
    """An exclusive or shared flock on a permanent file; the system releases it when its process dies.

    A flock belongs to the open file, which a forked child shares: child and parent would both hold it, and it would outlive the parent.
    So a child closes its copy, and opens the file again when it first wants the lock.
    """

    __slots__ = ("__weakref__", "_fd", "_waited", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._waited = (0.0, 0.0)
        self._fd = -1  # opened when the lock is first taken: a reader needs no right to write
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
            pause = min(pause * 1.5, 0.001)  # with longer pauses, later callers would get the lock first

    def _is_free(self, kind: int) -> bool:
        """Take the lock if it is free; return whether it was taken."""
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as exc:
            exc.filename = self.path
            raise
        return True

    def write(self, data: bytes) -> None:
        """Write *data*, which always has the same length, at the beginning of the file. Only for the holder of the lock."""
        files.write_at(self._fd, data, 0)

    def release(self) -> None:
        """Release the lock in any case: if the file cannot be unlocked, it is closed."""
        try:
            if self._fd >= 0:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        except OSError:
            self.close()
        if self._waited[0]:
            self._tell()

    def _tell(self) -> None:
        """Report that the lock was waited for, now that it is no longer held."""
        (since, until), self._waited = self._waited, (0.0, 0.0)
        folder, name = os.path.split(self.path)
        emit("lock wait", os.path.dirname(folder), since, until=until, lock=name)

    def close(self) -> None:
        if self._fd >= 0:
            files.close(self._fd)
            self._fd = -1


def is_locked(path: str) -> bool:
    """True if a process holds an exclusive flock on the file *path*; FileNotFoundError if it is missing. Needs no right to write."""
    fd = files.open_read(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        files.close(fd)
    return False


class ThreadLock:
    """A lock that lets in one thread at a time; that thread may take it several times.

    A fork copies a held lock, but not the thread that would release it; and the data under the lock may be half changed.
    So if another thread held the lock, the child gets ClosedError; otherwise the child uses what it inherited.
    """

    __slots__ = ("__weakref__", "_lock", "is_lost", "release")

    def __init__(self) -> None:
        self.is_lost = False
        self._lock = RLock()
        # The lock's own function, not a method: Ctrl-C can come at a method's beginning, and the lock would never be released.
        self.release: Callable[[], None] = self._lock.release
        _thread_locks.add(self)

    def acquire(self) -> None:
        if self.is_lost:
            raise ClosedError("the process was forked while another thread worked with this store: open it again")
        self._lock.acquire()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @contextmanager
    def let_go(self) -> Iterator[None]:
        """Release the lock, however often this thread took it, while the ``with`` block waits; take it again as often at the end."""
        times = 0
        with suppress(RuntimeError):  # this thread no longer holds it
            while True:
                self._lock.release()
                times += 1
        try:
            yield
        finally:
            for _ in range(times):
                self.acquire()

    def after_fork(self) -> None:
        """In the child, check whether the lock is free, or held by the thread that forked."""
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self.is_lost = True


_locks: WeakSet[FileLock] = WeakSet()
_thread_locks: WeakSet[ThreadLock] = WeakSet()


def _after_fork() -> None:
    for lock in list(_locks):
        lock.close()
    for thread_lock in list(_thread_locks):
        thread_lock.after_fork()


os.register_at_fork(after_in_child=_after_fork)
