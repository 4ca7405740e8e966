"""Files that are read or overwritten again and again, packs and ref files; a process keeps only some of them open at once."""

from __future__ import annotations

import os
from _thread import RLock  # threading's own, as in events
from collections import OrderedDict

from tract.storage import files

_MOST_OPEN = 48


class SharedFile:
    """A file that is read or overwritten again and again.

    All such files of a process share some descriptors: a file that was not used for a while is closed, and opened again at the next use.
    FileNotFoundError then says that the file is gone.
    """

    __slots__ = ("_fd", "_writable", "path")

    def __init__(self, path: str, *, writable: bool = False) -> None:
        self.path = path
        self._writable = writable
        self._fd = -1

    def read_at(self, size: int, offset: int) -> bytes:
        """Read as the function ``read_at`` does."""
        with _shared.lock:
            return files.read_at(self._descriptor(), size, offset)

    def size(self) -> int:
        with _shared.lock:
            return files.size_of(self._descriptor())

    def overwrite(self, data: bytes) -> bool:
        """Replace the whole content of the file. Return False, and change nothing, if it has another length or the file has no name any more."""
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
    """The shared files that are open, the last used at the end. A caller holds the lock while it uses a file, so that no other thread closes it."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.open: OrderedDict[SharedFile, None] = OrderedDict()

    def after_fork(self) -> None:
        self.lock = RLock()  # another thread may have held it


_shared = _Shared()
os.register_at_fork(after_in_child=_shared.after_fork)
