"""Files that are read, or written over, again and again: packs and ref files, of which a process has only some open at once."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict

from tract.storage import files

_MOST_OPEN = 48


class SharedFile:
    """A file that is read, or written over, again and again.

    All of them in a process share some descriptors: one that was not used for a while is closed, and opened anew when it is used.
    FileNotFoundError then says that the file is gone.
    """

    __slots__ = ("_fd", "_writable", "path")

    def __init__(self, path: str, *, writable: bool = False) -> None:
        self.path = path
        self._writable = writable
        self._fd = -1

    def read_at(self, size: int, offset: int) -> bytes:
        """As the function ``read_at``."""
        with _shared.lock:
            return files.read_at(self._descriptor(), size, offset)

    def size(self) -> int:
        with _shared.lock:
            return files.size_of(self._descriptor())

    def overwrite(self, data: bytes) -> bool:
        """Put *data* in the place of all that is in the file; False, and nothing done, where that has another length or the file lost its name."""
        with _shared.lock:
            return files.overwrite(self._descriptor(), data)

    def _descriptor(self) -> int:
        if self._fd < 0:
            self._fd = files.open_write(self.path, create=False) if self._writable else files.open_read(self.path)
            _shared.open[self] = None
            if len(_shared.open) > _MOST_OPEN:
                next(iter(_shared.open))._close()
        else:
            _shared.open.move_to_end(self)
        return self._fd

    def close(self) -> None:
        with _shared.lock:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            _shared.open.pop(self, None)
            files.close(self._fd)
            self._fd = -1


class _Shared:
    """The shared files that are open, the one that was used last at the end. Whoever uses one holds the lock: else another thread could close it meanwhile."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.open: OrderedDict[SharedFile, None] = OrderedDict()

    def after_fork(self) -> None:
        self.lock = threading.RLock()  # another thread may have held it


_shared = _Shared()
os.register_at_fork(after_in_child=_shared.after_fork)
