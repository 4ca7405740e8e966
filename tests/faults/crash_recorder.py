"""A recorder of every change that is made to the disk; ``crash_disk.py`` has the states those leave open."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple


class Change(NamedTuple):
    """One recorded call. *node* is the file or folder it is about, *name* an entry of that folder."""

    kind: str  # create, mkdir, write, truncate, sync, failed, names, rename, unlink, mark
    node: int = 0
    name: str = ""
    other: int = 0  # the file that gets the name; for a rename the target folder
    target: str = ""
    offset: int = 0
    data: bytes = b""
    mark: Any = None
    number: int = 0  # its place in the recording, as the disk counts


class Killed(BaseException):
    """The recorded process dies here, and changes nothing any more."""


class Recorder:
    """Stands in for ``os`` in ``tract.storage.files`` and keeps every change under *root*, which becomes node 0.

    *kill_at*: the change of this number does not happen, the process is killed; of a write, half happens.
    *fail_syncs*: the syncs of these numbers, from 0, fail with EIO.
    """

    def __init__(self, root: Path, *, kill_at: int | None = None, fail_syncs: Sequence[int] = ()) -> None:
        self.root = os.path.abspath(root)
        self.changes: list[Change] = []
        self.around: list[str] = []
        self.kill_at = kill_at
        self.dead = False
        self._fail_syncs = set(fail_syncs)
        self._syncs = 0
        self._inside = False
        self._nodes = 1
        self._descriptors: dict[int, tuple[int, bool]] = {}
        self._tree: dict[int, dict[str, int]] = {0: {}}
        self.before = self._adopt(self.root, 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _adopt(self, path: str, node: int) -> list[Change]:
        """What is there already, as changes that are all on the disk."""
        found = []
        for entry in sorted(os.scandir(path), key=lambda e: e.name):
            kind = "mkdir" if entry.is_dir() else "create"
            child = self._new_node()
            self._tree[node][entry.name] = child
            found.append(Change(kind, node, entry.name, child))
            if entry.is_dir():
                self._tree[child] = {}
                found += self._adopt(entry.path, child)
            else:
                found += [Change("write", child, data=Path(entry.path).read_bytes()), Change("sync", child)]
        return [*found, Change("names", node)]

    def _new_node(self) -> int:
        self._nodes += 1
        return self._nodes - 1

    def _place(self, path: str) -> tuple[int, str] | None:
        """The folder's node and the name in it, or None where there is no such folder under the root."""
        path = os.path.abspath(path)
        if not path.startswith(self.root + os.sep):
            return None
        *folders, name = path[len(self.root) + 1 :].split(os.sep)
        node = 0
        for folder in folders:
            node = self._tree.get(node, {}).get(folder, -1)
        return None if node not in self._tree else (node, name)

    def _node_of(self, path: str) -> int:
        if os.path.abspath(path) == self.root:
            return 0
        place = self._place(path)
        assert place is not None, f"{path} is outside {self.root}"
        return self._tree[place[0]][place[1]]

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Around every change: here is where a process is killed, and whoever changes anything elsewhere is found out."""
        if self.dead or self._dies_now():
            self.dead = True
            raise Killed
        with self._allowed():
            yield

    @contextmanager
    def _allowed(self) -> Iterator[None]:
        self._inside = True
        try:
            yield
        finally:
            self._inside = False

    def _dies_now(self) -> bool:
        return self.kill_at is not None and len(self.changes) >= self.kill_at

    def mark(self, value: Any) -> None:
        """Note in the recording that the workload got here."""
        self.changes.append(Change("mark", mark=value))

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        place = self._place(path)
        new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        if os.path.abspath(path) == self.root:
            fd = os.open(path, flags, mode)
            self._descriptors[fd] = (0, False)
            return fd
        if not new:
            with self._allowed():
                fd = os.open(path, flags, mode)
            if place is None or os.path.abspath(path) == self.root:
                return fd
        else:
            with self._changing():
                fd = os.open(path, flags, mode)
            assert place is not None
            node = self._tree[place[0]][place[1]] = self._new_node()
            self.changes.append(Change("create", place[0], place[1], node))
        self._descriptors[fd] = (self._node_of(path), bool(flags & os.O_APPEND))
        return fd

    def close(self, fd: int) -> None:
        self._descriptors.pop(fd, None)
        os.close(fd)

    def write(self, fd: int, data: bytes) -> int:
        return self._write(fd, bytes(data), os.fstat(fd).st_size)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        return self._write(fd, bytes(data), offset)

    def _write(self, fd: int, data: bytes, offset: int) -> int:
        node, appends = self._descriptors[fd]
        if self._dies_now() and not self.dead:
            self.dead = True
            data = data[: len(data) // 2]
            os.write(fd, data) if appends else os.pwrite(fd, data, offset)
            self.changes.append(Change("write", node, offset=offset, data=data))
        with self._changing():
            done = os.write(fd, data) if appends else os.pwrite(fd, data, offset)
        assert done == len(data)
        self.changes.append(Change("write", node, offset=offset, data=data))
        return done

    def ftruncate(self, fd: int, size: int) -> None:
        with self._changing():
            os.ftruncate(fd, size)
        self.changes.append(Change("truncate", self._descriptors[fd][0], offset=size))

    def fdatasync(self, fd: int) -> None:
        self.fsync(fd)

    def fsync(self, fd: int) -> None:
        if fd not in self._descriptors:
            return os.fsync(fd)
        with self._changing():
            node = self._descriptors[fd][0]
            number, self._syncs = self._syncs, self._syncs + 1
            is_folder = node in self._tree
            if number in self._fail_syncs:
                self.changes.append(Change("failed", node))
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self.changes.append(Change("names" if is_folder else "sync", node))
        return None

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        place = self._place(path)
        if os.path.lexists(path):
            with self._allowed():
                return os.mkdir(path, mode)
        with self._changing():
            os.mkdir(path, mode)
        if place is not None:
            node = self._tree[place[0]][place[1]] = self._new_node()
            self._tree[node] = {}
            self.changes.append(Change("mkdir", place[0], place[1], node))
        return None

    def getpid(self) -> int:
        return 4242

    def revive(self) -> None:
        """Go on recording, as another process."""
        self.dead = False
        self.kill_at = None

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(path, mode)

    def replace(self, source: str, target: str) -> None:
        old, new = self._place(source), self._place(target)
        assert old is not None
        assert new is not None
        with self._changing():
            os.replace(source, target)
        self._tree[new[0]][new[1]] = self._tree[old[0]].pop(old[1])
        self.changes.append(Change("rename", old[0], old[1], new[0], new[1]))

    rename = replace

    def unlink(self, path: str) -> None:
        place = self._place(path)
        if not os.path.lexists(path):
            with self._allowed():
                return os.unlink(path)
        with self._changing():
            os.unlink(path)
        if place is not None:
            del self._tree[place[0]][place[1]]
            self.changes.append(Change("unlink", *place))
        return None

    def rmdir(self, path: str) -> None:
        place = self._place(path)
        with self._changing():
            os.rmdir(path)
        if place is not None:
            del self._tree[place[0]][place[1]]
            self.changes.append(Change("unlink", *place))

    def remove_tree(self, path: str) -> None:
        """Stands in for ``files.remove_tree``."""
        if self.dead or not os.path.isdir(path):
            return
        for entry in list(os.scandir(path)):
            if entry.is_dir():
                self.remove_tree(entry.path)
            else:
                self.unlink(entry.path)
        self.rmdir(path)


_recorders: list[Recorder] = []
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}


def _watch(event: str, args: tuple[Any, ...]) -> None:
    """Find out what changes files under a recorded folder without its recorder."""
    if not _recorders or (event != "open" and event not in _CHANGING):
        return
    path = args[0]
    if event == "open" and not (isinstance(args[2], int) and args[2] & _WRITING):
        return
    for recorder in _recorders:
        if not recorder._inside and isinstance(path, str) and os.path.abspath(path).startswith(recorder.root + os.sep):
            recorder.around.append(f"{event} {path}")


@contextmanager
def watched(recorder: Recorder) -> Iterator[Recorder]:
    """Every change under the recorder's root that goes around it is in ``recorder.around`` afterwards."""
    if not getattr(_watch, "installed", False):
        sys.addaudithook(_watch)
        _watch.installed = True  # type: ignore[attr-defined]
    _recorders.append(recorder)
    try:
        yield recorder
    finally:
        _recorders.remove(recorder)
