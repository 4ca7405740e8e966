"""A lock for the threads of one process that a forked child cannot wait for in vain."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from weakref import WeakSet

from tract.errors import ClosedError


class ThreadLock:
    """Lets in one thread at a time, that one as often as it likes.

    A fork copies a held lock, but not the thread that would let go of it; and what the lock guards may be half changed.
    So where another thread held it, the child is told ClosedError; where none did, the child uses what it inherited.
    """

    __slots__ = ("__weakref__", "_lock", "is_lost", "release")

    def __init__(self) -> None:
        self.is_lost = False
        self._lock = threading.RLock()
        # The lock's own, not a method: Ctrl-C can come where one begins, and nobody would ever let go.
        self.release: Callable[[], None] = self._lock.release
        _locks.add(self)

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
        """Let others in while this thread waits, however often it took the lock; it has it again as often at the end."""
        times = 0
        with suppress(RuntimeError):  # it is not this thread's any more
            while True:
                self._lock.release()
                times += 1
        try:
            yield
        finally:
            for _ in range(times):
                self.acquire()

    def after_fork(self) -> None:
        """In the child: see whether the lock is free, or held by the thread that forked."""
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self.is_lost = True


_locks: WeakSet[ThreadLock] = WeakSet()


def _look_in_child() -> None:
    for lock in list(_locks):
        lock.after_fork()


os.register_at_fork(after_in_child=_look_in_child)
